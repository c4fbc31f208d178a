package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/sockets"
)

// server accepts clients on any number of listeners. It makes the TLS handshake
// itself, because what comes after it differs: HTTP/2 connections go to net/http.
type server struct {
	http1   *http1Server
	http2   *http2Servers
	log     *slog.Logger
	sites   *sites
	sockets *sockets.Set
	cut     atomic.Bool // requests have been cut off

	over2        atomic.Int64 // connections of HTTP/2
	acceptErrors atomic.Uint64
}

func newServer(sites *sites, log *slog.Logger) *server {
	s := &server{sites: sites, sockets: sockets.NewSet(), http1: newHTTP1Server(sites, log), log: log}
	s.http2 = &http2Servers{sites: sites, log: log, state: s.countHTTP2, servers: map[http2Settings]*http2Server{}}
	return s
}

// serve accepts clients on the listeners until ctx is done, and then lets running
// requests finish, for no longer than timeouts.Drain.
func (s *server) serve(ctx context.Context, listeners []net.Listener) error {
	s.sites.state.Store(isServing)
	defer s.sites.state.Store(isDraining) // or a server that failed would be ready
	var accepting sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		accepting.Go(func() { failed <- s.accept(l) })
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.sites.state.Store(isDraining)
	for _, l := range listeners {
		l.Close()
	}
	s.sites.arrivals.settle(lastRequest)
	err = errors.Join(err, s.drain())
	accepting.Wait()
	s.http2.serving.Wait()
	return err
}

var errCut = errors.New("requests that were still running were cut off")

// drain waits for running requests to end.
func (s *server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.sites.current().timeouts.Drain)
	defer cancel()
	over2 := make(chan error, 1)
	go func() { over2 <- s.http2.drain(ctx) }()
	err := errors.Join(s.http1.drain(ctx), <-over2)
	if err != nil {
		s.close()
	}
	if s.cut.Load() {
		return errCut
	}
	return nil
}

// close ends everything at once.
func (s *server) close() {
	if s.sites.running() > 0 {
		s.cut.Store(true)
	}
	s.http1.close()
	s.http2.close()
}

// Waits after a failed accept, which is what happens when there are no file
// descriptors left.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept takes in the clients of one listener until it is closed.
func (s *server) accept(l net.Listener) error {
	pause := minAcceptPause
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			s.sockets.Admit(c, s.sites.current().terms(), func(sock *sockets.Socket) {
				s.sites.arrivals.add(sock)
				go s.admit(sock)
			})
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			s.acceptErrors.Add(1)
			s.sockets.MakeRoom()
			s.log.Error("accepting connections", "address", l.Addr().String(), "error", fault.Listener(err), "retry_in", pause)
			time.Sleep(pause)
			pause = min(2*pause, maxAcceptPause)
		}
	}
}

// Probes by which a client is found to have vanished within a minute.
const (
	tcpKeepIdle     = 30 * time.Second
	tcpKeepInterval = 5 * time.Second
	tcpKeepCount    = 3
)

// admit makes the handshake with a client and hands its connection to the server of
// the protocol that they agreed on.
func (s *server) admit(c *sockets.Socket) {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: tcpKeepIdle, Interval: tcpKeepInterval, Count: tcpKeepCount})
	}
	site := s.sites.current()
	if err := s.sockets.ReadProxyHeader(c, site.terms()); err != nil {
		s.dismiss(c, err)
		return
	}
	if site.cert == nil {
		s.http1.serve(c)
		return
	}
	secured := tls.Server(c, site.cert.config.Load())
	if !s.sockets.BeginHandshake(c, site.limits.Handshakes) {
		s.dismiss(c, sockets.ErrNoRoom)
		return
	}
	err := handshake(secured, site.timeouts.Handshake)
	s.sockets.EndHandshake(c)
	if err != nil {
		s.explainPlaintext(err)
		s.dismiss(c, fmt.Errorf("TLS handshake: %w", err))
		return
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		if !s.sockets.Receive(c, site.limits.Guests) {
			s.dismiss(c, sockets.ErrNoRoom)
			return
		}
		s.http2.serve(secured, site)
		return
	}
	go s.http1.serve(secured) // an idle connection must not keep the stack of a handshake
}

// dismiss ends a connection that comes to no request.
func (s *server) dismiss(c *sockets.Socket, err error) {
	s.log.Debug("connection refused", "source", c.RemoteAddr().String(), "error", err)
	c.Close()
	s.sites.arrivals.done(c)
}

func handshake(c *tls.Conn, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return c.HandshakeContext(ctx)
}

// explainPlaintext answers a client that speaks HTTP where TLS is expected. It is
// not redirected: it may have sent a password already, and would go on doing so.
func (s *server) explainPlaintext(err error) {
	var notTLS tls.RecordHeaderError
	if !errors.As(err, &notTLS) || notTLS.Conn == nil || !looksLikeHTTP(notTLS.RecordHeader) {
		return
	}
	notTLS.Conn.SetWriteDeadline(time.Now().Add(flow.LingerTime))
	io.WriteString(notTLS.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+
		"Client sent an HTTP request to an HTTPS server.\n")
}

func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO":
		return true
	}
	return false
}

// connQueue is a [net.Listener] of connections that are ready for HTTP/2.
type connQueue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newConnQueue() *connQueue {
	return &connQueue{conns: make(chan net.Conn), done: make(chan struct{})}
}

// push hands over a connection, and reports false if nobody wants it any more.
func (q *connQueue) push(c net.Conn) bool {
	select {
	case q.conns <- c:
		return true
	case <-q.done:
		return false
	}
}

func (q *connQueue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *connQueue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

func (q *connQueue) Addr() net.Addr { return &net.TCPAddr{} }
