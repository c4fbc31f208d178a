package ldap

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
	"gatehouse/backend/idle"
)

// A server can take no more memory than this with one message, or with all that
// it says to one question. The library's own bound is 2 GiB for a message, and
// none for what it collects.
const (
	packetMax = 16 << 20
	answerMax = 64 << 20
)

// conn is a connection to a server, used for one question at a time.
type conn struct {
	ldap   *ldap.Conn
	raw    net.Conn     // below TLS; closing it ends whatever waits
	socket *idle.Socket // of raw
	limit  limit        // of a question

	meter *meter // of its server; may be nil

	// look has it found out why a search has waited so long; it must not wait
	// itself. nil: nobody does.
	look     func(c *conn, question int, kept bool)
	patience limit // of a search

	// isOutdated reports whether other certificates count now than when it was made.
	isOutdated func() bool

	kept    bool      // it has been used before
	since   time.Time // when it was last used
	expires time.Time

	mu       sync.Mutex
	asking   bool
	question int   // its number
	old      bool  // it was asked on a connection that had been used before
	proved   bool  // another one was answered while it waited
	cause    error // why the connection was closed while it waited
	stray    bool  // something came that nobody asked for
	received int   // since the question was asked
	numbers  numbers
	tapping  bool
	tapped   []byte
}

func newConn(raw, stream net.Conn) *conn {
	c := &conn{raw: raw, socket: idle.NewSocket(raw), isOutdated: func() bool { return false }}
	c.limit.expire = func() { raw.Close() }
	c.patience.expire = c.wonder
	c.ldap = ldap.NewConn(&tap{stream, c.see, c.note}, true)
	c.ldap.Start()
	return c
}

// close ends the connection, whatever state it is in. The library's own Close
// waits for a write that may never end, unless the socket goes first.
func (c *conn) close() {
	c.limit.stop()
	c.patience.stop()
	c.raw.Close()
	c.ldap.Close()
}

// isClosing reports whether the server is known to have gone, or said something
// on its own, which can only be that it is about to go; RFC 4511, section 4.4.
func (c *conn) isClosing() bool {
	c.mu.Lock()
	stray := c.stray
	c.mu.Unlock()
	return stray || c.ldap.IsClosing()
}

// begin notes that what comes from now on is an answer, end that it is not.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking, c.received, c.old, c.proved = true, 0, c.kept, false
	c.question++
}

// end returns why the connection was closed meanwhile, if it was for a reason.
func (c *conn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	return c.cause
}

// do runs f, which asks one question, and closes the connection when ctx is
// done or the time is up: the library heeds no context, and a late answer must
// not meet the next question. A panic of the library is an error.
func (c *conn) do(ctx context.Context, limit time.Duration, f func(*ldap.Conn) error) (err error) {
	if ctx.Err() != nil {
		return lost(ctx.Err())
	}
	c.begin()
	c.limit.begin(limit)
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer func() {
		if p := recover(); p != nil {
			c.raw.Close()
			err = lost(panicked(p))
		}
		cause, over := c.end(), c.limit.end()
		switch {
		case !stop():
			err = lost(fmt.Errorf("no answer in time: %w", ctx.Err()))
		case over:
			err = lost(fmt.Errorf("no answer in time: %w", context.DeadlineExceeded))
		case cause != nil && isLost(err):
			err = lost(cause)
		}
	}()
	err = classify(f(c.ldap))
	if isLost(err) && !isBusy(err) {
		c.raw.Close()
	}
	return err
}

// panicked is the error for a panic over what a server said.
// What the runtime did not make is told by its type alone: it may hold a password.
func panicked(p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fault.With("ldap.protocol", fmt.Errorf("panic while the answer was read: %w", err))
	}
	return fault.With("ldap.protocol", fmt.Errorf("panic while the answer was read: %T", p))
}

// guarded calls f, and makes a panic of it an error. In a goroutine that f has to itself
// it would end the process, since no caller is below it on the stack.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = lost(panicked(p))
		}
	}()
	return f()
}

// guard calls f, and tells of a panic of it in the log: no more than what f does ends.
func (d *directory) guard(f func()) {
	if err := guarded(func() error { f(); return nil }); err != nil {
		d.config.Log.Error("something that is done for the directory in the background has failed; it is tried again when it is due",
			slog.Any("error", err), slog.String(fault.Attr, string(fault.Of(err))))
	}
}

// errWrongAnswer is the error for an answer to another kind of question. The
// library takes any answer to a bind for one, so that the end of a search with
// code 0 would let a user in.
var errWrongAnswer = fault.Kind("ldap.protocol", "the server answered a bind with something else")

// bind binds as a name with a password, and returns the controls that came with
// the answer. It fails unless the answer is one to a bind, and says success
// without a "but" among the controls.
func (c *conn) bind(ctx context.Context, limit time.Duration, name, password string) ([]ldap.Control, error) {
	var controls []ldap.Control
	err := c.do(ctx, limit, func(l *ldap.Conn) error {
		c.startTap()
		policy := ldap.NewControlBeheraPasswordPolicy()
		result, err := l.SimpleBind(ldap.NewSimpleBindRequest(name, password, []ldap.Control{policy}))
		if result != nil {
			controls = result.Controls
		}
		return c.endTap(err)
	})
	return controls, bindError(controls, err)
}

// bindExternal binds as whoever the certificate or the socket says.
func (c *conn) bindExternal(ctx context.Context, limit time.Duration) error {
	return c.do(ctx, limit, func(l *ldap.Conn) error {
		c.startTap()
		return c.endTap(l.ExternalBind())
	})
}

// tappedMax is how much memory is kept for the next answer to a bind, which is short.
const tappedMax = 4 << 10

func (c *conn) startTap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tapping, c.tapped = true, c.tapped[:0]
}

// endTap returns err, or an error if what came was no answer to a bind.
func (c *conn) endTap(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tapping = false
	defer func() {
		if cap(c.tapped) > tappedMax {
			c.tapped = nil
		}
	}()
	if _, answered := codeOf(err); (err == nil || answered) && !isBindResponse(c.tapped) {
		return errWrongAnswer
	}
	return err
}

// see notes what comes in.
func (c *conn) see(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stray = c.stray || !c.asking && len(b) > 0
	if c.received += len(b); c.received > answerMax {
		return fault.With("ldap.protocol", fmt.Errorf("the server's answer is longer than %d MiB", answerMax>>20))
	}
	if c.tapping {
		c.tapped = append(c.tapped, b...)
	}
	return c.numbers.check(b)
}

// note notes what is asked.
func (c *conn) note(request []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers.note(request)
}

// ping asks the server for nothing of an entry, to find out whether it still answers:
// a firewall that forgot a connection says so to nobody. Any answer will do.
func (c *conn) ping(ctx context.Context, limit time.Duration, base string) error {
	start := time.Now()
	err := c.do(ctx, limit, func(l *ldap.Conn) error {
		_, err := l.Search(nothing(base))
		return err
	})
	if !isLost(err) {
		err = nil
	}
	c.meter.count(opPing, start, err)
	return err
}

// nothing is a question about nothing but whether there is an entry.
func nothing(base string) *ldap.SearchRequest {
	return &ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}}
}
