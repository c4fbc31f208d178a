package ldaptest

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// The tags of operations; RFC 4511, section 4.2 and after.
const (
	tagBindRequest       ber.Tag = 0
	tagBindResponse      ber.Tag = 1
	tagUnbindRequest     ber.Tag = 2
	tagSearchRequest     ber.Tag = 3
	tagSearchEntry       ber.Tag = 4
	tagSearchDone        ber.Tag = 5
	tagAbandonRequest    ber.Tag = 16
	tagSearchReference   ber.Tag = 19
	tagExtendedRequest   ber.Tag = 23
	tagExtendedResponse  ber.Tag = 24
	oidStartTLS                  = "1.3.6.1.4.1.1466.20037"
	oidWhoAmI                    = "1.3.6.1.4.1.4203.1.11.3"
	oidPaging                    = "1.2.840.113556.1.4.319"
	oidPasswordPolicy            = "1.3.6.1.4.1.42.2.27.8.5.1"
	oidDisconnectionNote         = "1.3.6.1.4.1.1466.20036"
)

// conn is a connection of a client.
type conn struct {
	server   *Server
	raw      net.Conn
	scheme   string
	number   int
	released chan struct{}

	reader *bufio.Reader
	late   sync.WaitGroup // answers that are delayed

	mu    sync.Mutex
	net   net.Conn // raw, or TLS over it
	bound string   // folded name
}

// message is a request as it came.
type message struct {
	id    int64
	op    *ber.Packet
	paged *pageRequest
	// policy is whether the client understands password policies.
	policy bool
}

func (c *conn) serve() {
	defer c.close()
	fault := c.server.note(Request{Kind: Connect, Conn: c.number, Scheme: c.scheme})
	if !c.survives(fault) {
		return
	}
	if c.scheme == "ldaps" && !c.encrypt() {
		return
	}
	c.reader = bufio.NewReader(c.net)
	for {
		p, err := ber.ReadPacket(c.reader)
		if err != nil || !c.handle(p) {
			return
		}
	}
}

func (c *conn) close() {
	c.raw.Close()
	c.late.Wait()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	delete(c.server.conns, c)
}

func (c *conn) encrypt() bool {
	t := tls.Server(c.raw, c.server.tls)
	if t.Handshake() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net = t
	return true
}

// handle answers one request and reports whether the connection goes on.
func (c *conn) handle(p *ber.Packet) bool {
	m, ok := parse(p)
	if !ok {
		return false
	}
	r := c.describe(m)
	if r.Kind == Unbind || r.Kind == Abandon {
		c.server.note(r)
		return r.Kind == Abandon
	}
	f := c.server.note(r)
	if f.Delay > 0 {
		c.late.Go(func() {
			select {
			case <-time.After(f.Delay):
				c.answer(m, r, f)
			case <-c.released:
			}
		})
		return true
	}
	return c.answer(m, r, f)
}

func parse(p *ber.Packet) (message, bool) {
	if len(p.Children) < 2 {
		return message{}, false
	}
	id, ok := p.Children[0].Value.(int64)
	m := message{id: id, op: p.Children[1]}
	if !ok || m.op.ClassType != ber.ClassApplication {
		return message{}, false
	}
	if len(p.Children) > 2 {
		for _, control := range p.Children[2].Children {
			m.take(control)
		}
	}
	return m, true
}

// take notes a control that came with a request: its name, whether the server
// must know it, and its value; RFC 4511, section 4.1.11.
func (m *message) take(control *ber.Packet) {
	if len(control.Children) == 0 {
		return
	}
	switch control.Children[0].Data.String() {
	case oidPasswordPolicy:
		m.policy = true
	case oidPaging:
		value, err := ber.DecodePacketErr(control.Children[len(control.Children)-1].Data.Bytes())
		if err != nil || len(value.Children) != 2 {
			return
		}
		size, _ := value.Children[0].Value.(int64)
		m.paged = &pageRequest{int(size), value.Children[1].Data.String()}
	}
}

// pageRequest asks for a part of what was found; RFC 2696, section 2.
type pageRequest struct {
	size   int
	cookie string
}

// describe returns what the record says of a request.
func (c *conn) describe(m message) Request {
	_, encrypted := c.net.(*tls.Conn)
	r := Request{Kind: Other, Conn: c.number, Scheme: c.scheme, TLS: encrypted, Bound: c.bound}
	switch m.op.Tag {
	case tagBindRequest:
		r.Kind = Bind
		if len(m.op.Children) == 3 {
			r.DN = m.op.Children[1].Data.String()
			if auth := m.op.Children[2]; auth.Tag == 3 && len(auth.Children) > 0 {
				r.SASL = auth.Children[0].Data.String()
			}
		}
	case tagSearchRequest:
		r.Kind = Search
		if q, ok := parseQuery(m); ok {
			r.DN, r.Scope, r.SizeLimit = q.base, q.scope, q.limit
			r.Attributes, r.Paged = q.attributes, m.paged != nil
			r.Filter, _ = ldap.DecompileFilter(q.filter)
		}
	case tagUnbindRequest:
		r.Kind = Unbind
	case tagAbandonRequest:
		r.Kind = Abandon
	case tagExtendedRequest:
		switch extendedName(m) {
		case oidStartTLS:
			r.Kind = StartTLS
		case oidWhoAmI:
			r.Kind = WhoAmI
		}
	}
	return r
}

func extendedName(m message) string {
	if len(m.op.Children) == 0 {
		return ""
	}
	return m.op.Children[0].Data.String()
}

// answer does what was asked, or what is to go wrong.
func (c *conn) answer(m message, r Request, f Fault) bool {
	if !f.AfterEntries && !c.survives(f) {
		return false
	}
	switch {
	case f.AfterEntries && r.Kind == Search:
		return c.search(m, f)
	case f.Raw != nil:
		return c.write(f.Raw)
	case f.Answer != nil:
		return c.send(m, responseTag(m.op.Tag), *f.Answer, f)
	case f.StallTLS && r.Kind == StartTLS:
		c.send(m, tagExtendedResponse, Answer{}, f)
		<-c.released
		return false
	}
	switch r.Kind {
	case Bind:
		return c.send(m, tagBindResponse, c.bind(m), f)
	case Search:
		return c.search(m, f)
	case StartTLS:
		return c.startTLS(m, f)
	case WhoAmI:
		return c.send(m, tagExtendedResponse, Answer{Text: c.bound}, f)
	}
	return c.send(m, responseTag(m.op.Tag), Answer{Code: protocolError, Text: "not supported"}, f)
}

// survives does what a fault does to a connection, and reports whether that
// goes on.
func (c *conn) survives(f Fault) bool {
	switch {
	case f.Hang && c.reader != nil:
		// Go on reading, so that the client's other requests are recorded, but
		// answer none.
		for {
			if _, err := ber.ReadPacket(c.reader); err != nil {
				return false
			}
		}
	case f.Hang, f.StopReading:
		<-c.released
		return false
	case f.Reset:
		if t, ok := c.raw.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		return false
	case f.Close:
		return false
	}
	return true
}

func (c *conn) startTLS(m message, f Fault) bool {
	if _, encrypted := c.net.(*tls.Conn); encrypted {
		return c.send(m, tagExtendedResponse, Answer{Code: operationsError, Text: "TLS already started"}, f)
	}
	if !c.send(m, tagExtendedResponse, Answer{}, f) || !c.encrypt() {
		return false
	}
	c.reader = bufio.NewReader(c.net) // drops what came in the clear behind the request
	return true
}
