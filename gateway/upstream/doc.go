// Package upstream asks the services behind the gateway. It speaks HTTP/1.1 on
// connections of its own, and takes an answer only if it has one reading.
//
//	pool.go           the connections to one service: begin here
//	config.go         what a pool is made from
//	conn.go           one connection, and whether it can still be used
//	roundtrip.go      a request, and what may come of it
//	response.go       where the body of an answer ends
//	response_head.go  the head of an answer
//	slots.go          how many exchanges there may be at once
//	slots_queue.go    who goes first where there are too many
//	slots_stuck.go    whose client moves nothing, and makes room
//
// The caller says what the limits are.
//
// The package imports strict for the grammar, flow for the deadlines of bodies, tally for counts, fault for
// codes of errors, watch and idle for files and sockets, and shown for what is said of a
// URL.
package upstream
