package gateway

import "sync"

// headBuffers are heads of requests to upstreams.
var headBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 2048)
	return &b
}}

// bodyBufferSize is what a body moves by. Larger pieces save system calls; these
// are within what the kernel takes at once on a fast connection.
const bodyBufferSize = 128 << 10

// bodyBuffers are pieces of bodies in either direction.
var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, bodyBufferSize)
	return &b
}}
