package flow

import "sync"

// Heads are heads of requests to upstreams.
var Heads = sync.Pool{New: func() any {
	b := make([]byte, 0, 2048)
	return &b
}}

// BufferSize is what a body moves by. Larger pieces save system calls; these
// are within what the kernel takes at once on a fast connection.
const BufferSize = 128 << 10

// Buffers are pieces of bodies in either direction.
var Buffers = sync.Pool{New: func() any {
	b := make([]byte, BufferSize)
	return &b
}}
