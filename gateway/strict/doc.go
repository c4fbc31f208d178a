// Package strict reads what a client or an upstream sends, to the letter of its
// grammar. What could be read in two ways is refused and never mended: a proxy and the
// server behind it that read one message differently are what nearly every request
// smuggling and nearly every bypass of a rule was made of.
//
// Each grammar has its file:
//
//	target.go    what a request asks for, in its one spelling: begin here
//	query.go     its parameters
//	host.go      Host, and the authority of a target
//	head.go      lines, fields and tokens of a message head
//	chunk.go     chunked bodies
//	basic.go     credentials of the Basic scheme
//	username.go  names of users
//	network.go   addresses and ranges in a configuration
//
// The functions keep no state and may be called at the same time. Their errors never
// repeat the input, so that they may be logged and sent back. The package imports
// nothing of this module but package shown, which knows which characters nobody sees.
package strict
