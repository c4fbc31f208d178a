// Package backend says what it means to check a user's credentials.
//
// A [Backend] answers two questions: is this password right for this user, and
// in which groups is that user. The packages below this one answer them from one
// kind of source: a password file or a directory. The types in this package wrap any
// Backend and add something to it, such as a cache or a name. The gateway knows only
// this package, so it treats every kind the same.
//
// # Errors
//
// A failed [Backend.Authenticate] returns one of five kinds of error, tested with
// [errors.Is]:
//
//   - [ErrUnknownUser], [ErrWrongPassword] and [ErrLocked] are answers. The client
//     sees 401 and the same bytes for all three. Otherwise it could find out which
//     names exist.
//   - [ErrUnavailable] means that there is no answer. The client sees 503, never
//     401, because clients throw a stored password away after a 401.
//   - [ErrThrottled] means that the question was not asked, because too many others
//     failed before. The client sees 429, whatever the name, and when to come back.
//
// Any other error is a fault. The login is refused as if there were no answer, and
// the log has an error. The text of an error is for the log only. It never holds a
// password or a hash, and never reaches a client.
//
// # What stands around a backend
//
// The program puts these around each backend, the first innermost:
//
//	the backend   a password file, a directory, or a chain of others
//	[Shield]      keeps guesses from locking accounts, where the backend locks them
//	[Named]       signs identities and errors with the name of the backend
//	[Flood]       bounds how many logins fail
//	[Cache]       remembers answers, and goes on with them in an outage
//	[Floor]       has all refusals take equally long
//
// The first three are what a chain asks. Each of these is [Extended].
//
// # Writing a backend
//
// Make a package beside the existing ones which exports Config, New and
// Backend, with those abilities of [Extended] that it has, name it in cmd/gatehouse/build_kinds.go, and add a row to the conformance
// table in this package's tests.
package backend
