package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"gatehouse/gateway/limits"
	"gatehouse/gateway/sockets"
)

// http2Servers serve the connections of HTTP/2 clients. There is one for each choice
// of settings that the gateway has had while it ran: net/http takes them from the
// server, and a connection keeps those that it began with.
type http2Servers struct {
	sites *sites
	log   *slog.Logger
	state func(net.Conn, http.ConnState) // told of every connection

	mu      sync.Mutex
	servers map[http2Settings]*http2Server
	ended   bool
	serving sync.WaitGroup
}

// http2Settings are what net/http takes from the server.
type http2Settings struct {
	header, bodyIdle   time.Duration
	streams, headBytes int
	window             int
}

// http2Server is one of them, and how connections come to it.
type http2Server struct {
	*http.Server
	queue *connQueue
}

// HTTP/2 settings. net/http takes in what the windows allow before anybody has decided
// about the request, and cannot open them afterwards: they are as narrow as memory for
// strangers has to be. An upload moves 64 KiB in each round trip.
const (
	http2PingAfter = time.Minute
	http2FrameSize = 16 << 10 // net/http keeps a buffer for the largest frame that came
)

// serve takes over a connection, for which the settings are those of now. When no
// more are wanted it closes it.
func (s *http2Servers) serve(c net.Conn, now *site) {
	t, l := now.timeouts, now.limits
	settings := http2Settings{header: t.Header, bodyIdle: t.BodyIdle, headBytes: l.HeadBytes, streams: min(l.Streams, limits.NarrowStreams), window: limits.NarrowWindow}
	client := sockets.Of(c)
	if client.Widen(l.Wide) {
		settings.streams, settings.window = l.Streams, limits.WideWindow
	}
	client.EndIdle(c, t.Idle)
	h := s.serverFor(settings)
	if h == nil || !h.queue.push(c) {
		c.Close()
		s.sites.arrivals.done(c)
	}
}

// serverFor returns the server for t, which it starts if there is none, or nil after
// the end.
func (s *http2Servers) serverFor(t http2Settings) *http2Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.servers[t]; h != nil || s.ended {
		return h
	}
	h := &http2Server{s.newServer(t), newConnQueue()}
	s.servers[t] = h
	s.serving.Go(func() { h.Serve(h.queue) }) // fails only when it is ended
	return h
}

func (s *http2Servers) newServer(t http2Settings) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:                      s.sites,
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true, // it would answer "OPTIONS *" without asking anybody
		ReadHeaderTimeout:            t.header,
		MaxHeaderBytes:               t.headBytes,
		ConnContext:                  connContext,
		ConnState:                    s.state,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          t.streams,
			MaxReceiveBufferPerConnection: t.window,
			MaxReceiveBufferPerStream:     limits.NarrowWindow,
			MaxReadFrameSize:              http2FrameSize,
			SendPingTimeout:               http2PingAfter,
			WriteByteTimeout:              t.bodyIdle,
		},
	}
}

// drain lets running requests finish. It returns early when ctx is done.
func (s *http2Servers) drain(ctx context.Context) error {
	servers := s.end()
	over := make(chan error, len(servers))
	for _, h := range servers {
		go func() { over <- h.Shutdown(ctx) }()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-over)
	}
	return err
}

// close ends all connections at once.
func (s *http2Servers) close() {
	for _, h := range s.end() {
		h.Close()
	}
}

// end sees to it that there will be no further server, and returns those there are.
func (s *http2Servers) end() []*http2Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	var all []*http2Server
	for _, h := range s.servers {
		all = append(all, h)
	}
	return all
}
