package gateway

import (
	"io"
	"net/http/httputil"
	"time"

	"gatehouse/gateway/strict"
)

// http1Body is the body of the request that is being carried out. Reads are of its
// content; the bytes behind it stay in http1Conn.in.
type http1Body struct {
	conn    *http1Conn
	framed  framedBody
	content io.Reader // of framed, without the chunks
	expects bool      // "100 Continue" is to be sent before the first read
	refused bool      // nothing is known of where the body ends
}

func (b *http1Body) reset(c *http1Conn, h *requestHead, refused bool) {
	*b = http1Body{conn: c, expects: h.expects, refused: refused}
	b.framed = framedBody{conn: c, left: max(h.r.ContentLength, 0), chunked: h.coded, ended: !h.coded && h.r.ContentLength <= 0}
	b.content = &b.framed
	if h.coded {
		b.content = httputil.NewChunkedReader(&b.framed)
	}
	if !b.framed.ended {
		c.idle.Next = time.Time{} // reading it sets other deadlines
		h.r.Body = io.NopCloser(b)
	}
}

// ended reports whether the next request begins with the next byte.
func (b *http1Body) ended() bool { return b.framed.ended && !b.refused }

// Read implements [io.Reader].
func (b *http1Body) Read(p []byte) (int, error) {
	if b.expects {
		b.expects = false
		if err := b.conn.answer.continues(); err != nil {
			return 0, err
		}
	}
	n, err := b.content.Read(p)
	if err == io.EOF && b.framed.chunked && !b.framed.ended {
		// Trailers are read and dropped.
		if _, err := io.Copy(io.Discard, &b.framed); err != nil {
			return n, err
		}
	}
	if err == io.EOF || b.framed.ended {
		b.conn.ctx.bodyEnded()
	}
	return n, err
}

// framedBody hands on the bytes of a body as they are on the wire, and never a byte
// of what is behind them.
type framedBody struct {
	conn    *http1Conn
	left    int64 // without chunks: bytes to come
	chunked bool
	chunks  strict.ChunkScanner
	ended   bool
}

// Read implements [io.Reader].
func (b *framedBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.take(p)
	switch {
	case n == 0 && err == io.EOF:
		return 0, io.ErrUnexpectedEOF
	case n == 0:
		return 0, err
	case b.chunked:
		return b.scan(p[:n])
	}
	b.left -= int64(n)
	b.ended = b.left == 0
	return n, nil
}

// take fills p from what has been received already, else from the connection.
func (b *framedBody) take(p []byte) (int, error) {
	if !b.chunked && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	c := b.conn
	if len(c.in) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// scan checks the grammar of chunks in p, and gives back what is behind the body.
func (b *framedBody) scan(p []byte) (int, error) {
	end, done, err := b.chunks.Scan(p)
	if err != nil {
		return 0, err
	}
	if done {
		b.ended = true
		if end < len(p) {
			b.conn.in = append(append(make([]byte, 0, len(p)-end+len(b.conn.in)), p[end:]...), b.conn.in...)
		}
	}
	return end, nil
}
