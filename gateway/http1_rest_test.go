package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that rests has given up what a request takes, carries out the next request
// nevertheless, and is kept for as long as the configuration says, no longer.
func TestRestingConnectionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := restable(t)
		idle := c.server.sites.current().timeouts.Idle
		began := time.Now()
		if state := c.requests(); state != restingConn {
			t.Fatalf("a connection without a request is in state %d, want %d", state, restingConn)
		}
		if took := time.Since(began); took != restAfter {
			t.Errorf("it rests after %v, want %v", took, restAfter)
		}
		if c.http1Work != nil || c.buf != nil || c.in != nil {
			t.Error("a connection that rests keeps what a request takes")
		}
		go func() {
			time.Sleep(idle - restAfter - time.Second)
			io.WriteString(client, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		}()
		head, err := c.receiveHead()
		if err != nil {
			t.Fatalf("behind the rest: %v", err)
		}
		if r, p := c.begin(head, nil); p != nil || r.RequestURI != "/v2/" {
			t.Errorf("behind the rest %q is read, %v", r.RequestURI, p)
		}
	})
}

func TestRestingConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := restable(t)
		began := time.Now()
		c.requests()
		if state := c.requests(); state != endedConn {
			t.Fatalf("a connection that has rested is in state %d, want %d", state, endedConn)
		}
		if took, idle := time.Since(began), c.server.sites.current().timeouts.Idle; took != idle {
			t.Errorf("it is kept for %v, want %v", took, idle)
		}
	})
}

// A part of a request is not forgotten, and a server that drains waits for no rest.
func TestConnectionDoesNotRest(t *testing.T) {
	c, _ := restable(t)
	late := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	if !c.mayRest(late) {
		t.Error("a connection over which nothing has come does not rest")
	}
	for what, change := range map[string]func(*http1Conn){
		"part of a request": func(c *http1Conn) { c.in = []byte("GET /") },
		"rested already":    func(c *http1Conn) { c.rested = true },
		"draining":          func(c *http1Conn) { c.server.draining.Store(true) },
	} {
		c, _ := restable(t)
		if change(c); c.mayRest(late) {
			t.Errorf("%s: it rests", what)
		}
	}
	for _, err := range []error{io.EOF, context.DeadlineExceeded, errors.New("reset")} {
		if c.mayRest(err) {
			t.Errorf("it rests after %v", err)
		}
	}
}

// restable returns a connection to rest, and its client's end.
func restable(t *testing.T) (*http1Conn, net.Conn) {
	t.Helper()
	server, client := net.Pipe()
	c := newTestHTTP1Conn(server)
	t.Cleanup(func() {
		c.cancel()
		server.Close()
		client.Close()
	})
	return c, client
}
