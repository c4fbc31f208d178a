// Package gateway is an authenticating reverse proxy for container registries
// and other HTTP services.
//
// A request passes, top to bottom, through
//
//	server.go    accepting clients, and the TLS handshake
//	http1.go     the server for HTTP/1, in which a head has one reading or is refused
//	handler.go   the order of the steps below
//	target.go    what is asked for, in canonical form
//	route.go     which service it is for
//	policy.go    which rule decides, and what it says
//	login.go     who asks
//	mount.go     the second repository of a cross-repository mount
//	forward.go   to the upstream and back, body by body
//	access.go    one record of it
//
// and whatever cannot be passed on is answered by problem.go.
//
// The package knows nothing of any kind of backend: it asks a
// [backend.Backend] and treats all of them the same.
package gateway
