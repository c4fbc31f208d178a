package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/backend/watch"
)

// Pool is the service behind a route. It speaks HTTP/1.1 on connections of
// its own making, each used by one exchange at a time from the goroutine of the
// request: half of what a proxied request costs with [net/http.Transport] is
// the hand-over between its goroutines.
//
// It may be used from any number of goroutines at once. Its fields do not change.
type Pool struct {
	Address       string // host and port, or the path of a socket
	Authority     string // as in the URL; empty for a socket
	Authorization string // credentials of our own, as a field value; empty for none

	source   source
	network  string
	scheme   string
	tls      *tls.Config // nil for plain HTTP
	timeouts Timeouts
	keepFor  time.Duration
	slots    *Slots

	mu    sync.Mutex
	kept  []*conn // idle, the one used last at the end
	users int     // routes, of all sites; closed when there is none left
}

// source is all that an upstream is made from.
type source struct {
	cfg      Config
	timeouts Timeouts
	files    [sha256.Size]byte // the sum of those that hold for all of its connections
}

// defaultKeepFor is below the idle time-out of every registry that was tried
// (120 s and more): a request sent into a connection that the other side just
// closes is lost, and only a GET or HEAD may be sent again.
const defaultKeepFor = 30 * time.Second

// NewPool returns a pool for the service that cfg names, without a connection yet. Each of
// t holds where cfg has none of its own; all are greater than zero. The pool asks slots
// before it keeps a connection that nobody uses. It has one user; see [Pool.Share]. The
// error says what is wrong with cfg, without the credentials in it.
func NewPool(cfg Config, t Timeouts, slots *Slots) (*Pool, error) {
	own := cfg.Timeouts
	t = Timeouts{
		Connect: cmp.Or(own.Connect, t.Connect), Response: cmp.Or(own.Response, t.Response),
		UploadResponse: cmp.Or(own.UploadResponse, t.UploadResponse), BodyIdle: cmp.Or(own.BodyIdle, t.BodyIdle),
	}
	u := &Pool{source: source{cfg: cfg, timeouts: t}, timeouts: t, keepFor: cmp.Or(cfg.IdleTimeout, defaultKeepFor), slots: slots, users: 1}
	at, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if at.Path != "" && at.Path != "/" {
		return nil, errors.New("a pool is of one service: take the path off its URL")
	}
	u.scheme, u.network, u.Address, u.Authority = at.scheme, at.network, at.address, at.authority
	if err := u.configureTLS(cfg); err != nil {
		return nil, err
	}
	if cfg.HasCredentials() {
		if strings.Contains(cfg.User, ":") {
			return nil, errors.New("the user name for the upstream has a colon, which Basic credentials cannot carry")
		}
		u.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(cfg.User+":"+cfg.Password))
	}
	return u, nil
}

// HasCredentials reports whether the upstream is sent credentials of its own.
func (cfg Config) HasCredentials() bool { return cfg.User != "" || cfg.Password != "" }

// configureTLS sets up verification of an https upstream. The files of a client
// certificate are read at each handshake, so that a renewed one is used.
func (u *Pool) configureTLS(cfg Config) error {
	if u.scheme != "https" {
		if cfg.CAFile != "" || cfg.ServerName != "" || cfg.CertFile != "" || cfg.KeyFile != "" {
			return fmt.Errorf("upstream %q: certificates are for https upstreams only", shown.URL(cfg.URL))
		}
		return nil
	}
	sum := sha256.New()
	defer func() { sum.Sum(u.source.files[:0]) }()
	host, _, _ := net.SplitHostPort(u.Address)
	u.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(cfg.ServerName, host)}
	if cfg.CAFile != "" {
		authorities, text, err := watch.ReadAuthorities(cfg.CAFile)
		if err != nil {
			return fmt.Errorf("authorities of the upstream: %w", err)
		}
		u.tls.RootCAs = authorities
		sum.Write([]byte(text))
	}
	if (cfg.CertFile == "") != (cfg.KeyFile == "") {
		return errors.New("client certificate for the upstream: certificate and key are given together or not at all")
	}
	if cfg.CertFile == "" {
		return nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := watch.LoadKeyPair(cfg.CertFile, cfg.KeyFile)
		return &pair, err
	}
	pair, err := load()
	if err != nil {
		return fmt.Errorf("client certificate for the upstream: %w", err)
	}
	sum.Write(pair.Certificate[0])
	u.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}

// dial makes a new connection.
func (u *Pool) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeouts.Connect)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, u.network, u.Address)
	if err != nil {
		return nil, fault.Connection("upstream", fmt.Errorf("connect to upstream: %w", err))
	}
	conn := raw
	if u.tls != nil {
		secured := tls.Client(raw, u.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fault.Handshake("upstream", fmt.Errorf("connect to upstream: TLS: %w", err))
		}
		conn = secured
	}
	return newConn(conn, raw), nil
}

// take returns a connection that is ready for a request: a kept one on which
// nothing has happened, else, or if fresh is asked for, a new one.
func (u *Pool) take(ctx context.Context, fresh bool) (*conn, error) {
	for !fresh {
		c := u.pop()
		if c == nil {
			break
		}
		if c.expiry.Stop() && c.quiet() {
			return c, nil
		}
		c.Close()
	}
	return u.dial(ctx)
}

func (u *Pool) pop() *conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.kept) - 1
	if last < 0 {
		return nil
	}
	c := u.kept[last]
	u.kept[last] = nil
	u.kept = u.kept[:last]
	u.slots.dropIdle(1)
	return c
}

// maxKept bounds the idle connections to one upstream.
const maxKept = 512

// keep holds on to a connection for the next request.
func (u *Pool) keep(c *conn) {
	c.reused = true
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.users == 0 || len(u.kept) == maxKept || !u.slots.keepIdle() {
		c.Close()
		return
	}
	if c.expiry == nil {
		c.expiry = time.AfterFunc(u.keepFor, func() { u.expire(c) })
	} else {
		c.expiry.Reset(u.keepFor)
	}
	u.kept = append(u.kept, c)
}

// expire closes a connection that has been idle for too long.
func (u *Pool) expire(c *conn) {
	c.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.Index(u.kept, c); i >= 0 {
		u.kept = slices.Delete(u.kept, i, i+1)
		u.slots.dropIdle(1)
	}
}

// SameAs reports whether u and other are made from the same: they lead to one service with
// the same credentials, certificates and timeouts.
func (u *Pool) SameAs(other *Pool) bool { return u.source == other.source }

// Share counts one more user of u, and returns it.
func (u *Pool) Share() *Pool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users++
	return u
}

// Close ends all idle connections when the last user of u calls it; those in use
// end with their exchange.
func (u *Pool) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.users--; u.users > 0 {
		return
	}
	for _, c := range u.kept {
		c.expiry.Stop()
		c.Close()
	}
	u.slots.dropIdle(len(u.kept))
	u.kept = nil
}
