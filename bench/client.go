package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client is one connection to a server. It does no more than the load needs,
// so that most of the processor is left to what is measured.
type client struct {
	name   string
	conn   net.Conn
	in     *bufio.Reader
	buffer []byte
	unhook func() bool
}

// request is one request, ready to be sent, and the only answer that is right.
type request struct {
	head []byte
	body *blob // nil for none
	want answer
}

// answer is what is looked at of a server's answer.
type answer struct {
	Status int
	Length int64  // of the body
	Range  string // how much of an upload came
	Digest string // of the body; computed only where one is wanted
}

func rootRequest(u credential) request {
	return newRequest("GET "+rootPath, u, nil, answer{Status: http.StatusOK, Length: int64(len("{}"))})
}

// newRequest puts a request together from its method and target.
func newRequest(line string, u credential, body *blob, want answer) request {
	head := fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: gatehouse-bench\r\nAccept: */*\r\n", line, hostName)
	switch {
	case u.Token != "":
		head += "Authorization: Bearer " + u.Token + "\r\n"
	case u != (credential{}):
		head += "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Name+":"+u.Password)) + "\r\n"
	}
	if body != nil {
		head += fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", body.size)
	}
	return request{head: []byte(head + "\r\n"), body: body, want: want}
}

// dial connects to s and shakes hands in full. The end of ctx breaks the
// connection, whatever it is waiting for.
func dial(ctx context.Context, s *server) (*client, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if s.tls != nil {
		secure := tls.Client(conn, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: shake hands: %w", s.name, err)
		}
		conn = secure
	}
	unhook := context.AfterFunc(ctx, func() { conn.Close() })
	return &client{name: s.name, conn: conn, in: bufio.NewReader(conn), unhook: unhook}, nil
}

func (c *client) close() {
	c.unhook()
	c.conn.Close()
}

// suite names the cipher suite; it is empty in clear text.
func (c *client) suite() string {
	secure, ok := c.conn.(*tls.Conn)
	if !ok {
		return ""
	}
	return tls.CipherSuiteName(secure.ConnectionState().CipherSuite)
}

// do sends r and reads the answer, which must be the one that r wants.
func (c *client) do(r request) error {
	got, err := c.exchange(r)
	if err == nil && got != r.want {
		err = fmt.Errorf("got %+v, want %+v", got, r.want)
	}
	if err != nil {
		line, _, _ := bytes.Cut(r.head, []byte("\r\n"))
		return fmt.Errorf("%s: %s: %w", c.name, line, err)
	}
	return nil
}

func (c *client) exchange(r request) (answer, error) {
	if _, err := c.conn.Write(r.head); err != nil {
		return answer{}, err
	}
	if r.body != nil {
		if _, err := r.body.WriteTo(c.conn); err != nil {
			return answer{}, err
		}
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	got := answer{Status: res.StatusCode, Range: res.Header.Get("Range")}
	if res.StatusCode == http.StatusUnauthorized {
		_, err = c.drain(res.Body, nil) // a refusal's text is the server's own affair
		return got, err
	}
	if r.want.Digest == "" {
		got.Length, err = c.drain(res.Body, nil)
		return got, err
	}
	h := sha256.New()
	got.Length, err = c.drain(res.Body, h)
	got.Digest = digestOf(h)
	return got, err
}

// drain reads a body to its end, in pieces that are large enough to cost little.
func (c *client) drain(body io.Reader, to io.Writer) (int64, error) {
	if c.buffer == nil {
		c.buffer = make([]byte, 64<<10)
	}
	if to == nil {
		to = io.Discard
	}
	// Without the wrapper io.Discard would read by a smaller buffer of its own.
	return io.CopyBuffer(struct{ io.Writer }{to}, body, c.buffer)
}
