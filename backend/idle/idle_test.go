package idle

import (
	"io"
	"net"
	"testing"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// A read that has begun returns when bytes are there, so that none has to be waited for.
func TestSocketIsQuietUntilSomethingComes(t *testing.T) {
	near, far := pair(t)
	s := NewSocket(near)
	if !s.Quiet() {
		t.Fatal("a new connection is not quiet")
	}
	far.Write([]byte("ab"))
	if _, err := io.ReadFull(near, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if s.Quiet() {
		t.Error("quiet, and a byte is there")
	}
	if _, err := io.ReadFull(near, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if !s.Quiet() {
		t.Error("not quiet after all was read")
	}
}

func TestSocketIsNotQuietAfterItsEnd(t *testing.T) {
	near, far := pair(t)
	s := NewSocket(near)
	far.Close()
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	if s.Quiet() {
		t.Error("quiet after the other side has closed it")
	}
	near.Close()
	if s.Quiet() || NewSocket(near).Quiet() {
		t.Error("quiet after it was closed here")
	}
}

func TestPipeCountsAsQuiet(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if !NewSocket(near).Quiet() {
		t.Error("a pipe is not quiet")
	}
}
