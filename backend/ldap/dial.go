package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// dial connects to a server and encrypts the connection as configured, for as long
// as ctx lets it. Nothing is sent before that but the request to start TLS.
func (t *trust) dial(ctx context.Context, a address, m *meter) (*conn, error) {
	start := time.Now()
	raw, err := t.connect(ctx, a)
	m.count(opDial, start, err)
	if err != nil {
		return nil, lost(fmt.Errorf("connect: %w", err))
	}
	trusted := t.current.Load()
	start = time.Now()
	stream, err := t.encrypt(ctx, raw, a)
	if name := t.encryption(a); name != "" {
		m.count(name, start, err)
	}
	if err != nil {
		raw.Close()
		return nil, lost(err)
	}
	c := newConn(raw, stream)
	c.meter, c.isOutdated = m, func() bool { return t.current.Load() != trusted }
	return c, nil
}

// encryption names what is done to encrypt a connection, if anything is.
func (t *trust) encryption(a address) string {
	switch {
	case a.scheme == "ldaps":
		return opTLS
	case a.scheme == "ldap" && (t.config.StartTLS || !t.config.InsecurePlaintext):
		return opStartTLS
	}
	return ""
}

// connect makes a connection on which nothing has been said yet.
func (t *trust) connect(ctx context.Context, a address) (net.Conn, error) {
	network, target := a.dialed()
	c, err := (&net.Dialer{Timeout: t.config.ConnectTimeout}).DialContext(ctx, network, target)
	return c, fault.Connection("ldap", err)
}

// encrypt encrypts a connection as configured, or says why it cannot be.
func (t *trust) encrypt(ctx context.Context, raw net.Conn, a address) (net.Conn, error) {
	stream, err := t.handshake(ctx, raw, a)
	if err != nil {
		return nil, advised(t.diagnose(ctx, a, err))
	}
	return stream, nil
}

func (t *trust) handshake(ctx context.Context, raw net.Conn, a address) (net.Conn, error) {
	switch t.encryption(a) {
	case "":
		return raw, nil
	case opStartTLS:
		if err := requestTLS(ctx, raw); err != nil {
			return nil, fault.Connection("ldap", fmt.Errorf("start TLS: %w", err))
		}
	}
	stream := tls.Client(raw, t.client(a.host))
	if err := stream.HandshakeContext(ctx); err != nil {
		return nil, fault.Handshake("ldap", fmt.Errorf("TLS handshake: %w", err))
	}
	return stream, nil
}

// advised says what to do about a handshake that failed, since "handshake failed" has
// cost people days.
func advised(err error) error {
	if code := fault.Of(err); strings.HasPrefix(string(code), "ldap.tls.") || code == startedTLS {
		return fmt.Errorf("%w: %s", err, code.Advice())
	}
	return err
}

// startTLSName is the name of the extended operation; RFC 4511, section 4.14.
const startTLSName = "1.3.6.1.4.1.1466.20037"

// requestTLS asks the server to speak TLS from now on. It is not left to the
// library, whose handshake knows no deadline. It reads the answer and not a
// byte more: what somebody put behind it in the clear becomes a part of the
// handshake, which fails, and never an answer to a later question.
func requestTLS(ctx context.Context, raw net.Conn) error {
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := ber.NewSequence("")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSName, ""))
	request.AppendChild(op)
	if _, err := raw.Write(request.Bytes()); err != nil {
		return errors.Join(err, ctx.Err())
	}
	answer, err := ber.ReadPacket(raw)
	switch {
	case err != nil:
		return errors.Join(err, ctx.Err())
	case !isAnswer(answer, ldap.ApplicationExtendedResponse, 1):
		return fault.With("ldap.protocol", errors.New("the server answered something else"))
	}
	if err := ldap.GetLDAPError(answer); err != nil {
		return fault.With("ldap.starttls.refused", fmt.Errorf("the server refuses: %w", err))
	}
	return nil
}

// isAnswer reports whether p is an answer of the given kind to the request with
// the given number, with a result as RFC 4511, section 4.1.9, has it. A code of no
// bytes would read as 0, which is success.
func isAnswer(p *ber.Packet, kind ber.Tag, id int64) bool {
	if p == nil || len(p.Children) < 2 || len(p.Children[1].Children) < 3 {
		return false
	}
	number, ok := p.Children[0].Value.(int64)
	op := p.Children[1]
	code := op.Children[0]
	return ok && number == id &&
		op.ClassType == ber.ClassApplication && op.Tag == kind &&
		code.ClassType == ber.ClassUniversal && code.Tag == ber.TagEnumerated && code.Data.Len() > 0
}
