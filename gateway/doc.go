// Package gateway is an authenticating reverse proxy for container registries
// and other HTTP services.
//
// A request passes, top to bottom, through
//
//	server.go    accepting clients, and the TLS handshake
//	http1.go     the server for HTTP/1, in which a head has one reading or is refused
//	http2.go     the servers for HTTP/2, which are those of net/http
//	handler.go   the order of the steps below
//	door.go      every check of a request that needs no rule, and its route
//	health.go    the answer to a load balancer that asks whether the gateway serves
//	token_issue.go the answer to a client that asks for a token; tokens.go takes them
//	cors.go      the answer to a browser that asks what a page may send
//	login.go     who asks, and what package rules says of it
//	mount.go     the second repository of a cross-repository mount
//	audit.go     the record of the decision, before it is carried out
//	sign.go      the token for a registry that wants one, which package signing makes
//	forward.go   to the upstream and back, body by body; package upstream asks it, and
//	             bounds the number of connections
//	access.go    one record of it, which package record writes
//
// What cannot be passed on is answered by problem.go; challenge.go says how to log in.
//
// Package strict reads what clients and upstreams send, and refuses what has two
// readings. Package rules judges what is asked for. These decide what passes in the head of a request and of its answer:
//
//	route.go            which route takes it
//	form.go             bodies that a registry would read and no rule has judged
//	field_families.go   request fields that no client may set
//	upstream_path.go    the path at the upstream, and back in the answer
//	answer_header.go    answer fields that a client gets
//
// Package limits says what clients can take, and what each thing costs. Package sockets
// counts connections and says which of them makes room. crowd.go counts the requests
// that nobody has allowed yet.
//
// The package knows nothing of any kind of backend: it asks a
// [backend.Backend] and treats all of them the same.
package gateway
