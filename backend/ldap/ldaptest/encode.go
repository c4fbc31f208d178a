package ldaptest

import (
	ber "github.com/go-asn1-ber/asn1-ber"
)

// responseTag returns the kind of the answer to a kind of request.
func responseTag(request ber.Tag) ber.Tag {
	switch request {
	case tagSearchRequest:
		return tagSearchDone
	case tagExtendedRequest:
		return tagExtendedResponse
	}
	return request + 1
}

// send writes a result, and reports whether the connection goes on.
func (c *conn) send(m message, tag ber.Tag, a Answer, f Fault) bool {
	if f.Tag != 0 {
		tag = ber.Tag(f.Tag)
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, a.Code, ""))
	op.AppendChild(octets(a.MatchedDN))
	op.AppendChild(octets(a.Text))
	if len(a.Referrals) > 0 {
		referral := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		for _, url := range a.Referrals {
			referral.AppendChild(octets(url))
		}
		op.AppendChild(referral)
	}
	return c.sendOp(m.id+f.IDShift, op, a.Controls)
}

func (c *conn) sendOp(id int64, op *ber.Packet, controls []Control) bool {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, control := range controls {
			one := ber.NewSequence("")
			one.AppendChild(octets(control.OID))
			one.AppendChild(octets(string(control.Value)))
			list.AppendChild(one)
		}
		p.AppendChild(list)
	}
	return c.write(p.Bytes())
}

func (c *conn) write(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.net.Write(b)
	return err == nil
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// The errors of [PasswordPolicy]; draft-behera-ldap-password-policy, section 6.2.
const (
	PasswordExpired  = 0  // whose time is up
	AccountLocked    = 1  // by too many guesses, or by an administrator
	ChangeAfterReset = 2  // that the password must be changed first
	NoPolicyError    = -1 // is no error at all
)

// PasswordPolicy returns the control by which a server tells the state of a
// password: the seconds until it expires, the logins left after that, and an
// error. Each is left out where it is negative.
func PasswordPolicy(expires, grace, failure int64) Control {
	value := ber.NewSequence("")
	warning := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	switch {
	case expires >= 0:
		warning.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 0, expires, ""))
		value.AppendChild(warning)
	case grace >= 0:
		warning.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, grace, ""))
		value.AppendChild(warning)
	}
	if failure >= 0 {
		value.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, failure, ""))
	}
	return Control{OID: oidPasswordPolicy, Value: value.Bytes()}
}

// Disconnection returns the bytes of a notice of disconnection; RFC 4511,
// section 4.4.1.
func Disconnection() []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tagExtendedResponse, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(52), ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets("shutting down"))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, oidDisconnectionNote, ""))
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(0), ""))
	p.AppendChild(op)
	return p.Bytes()
}
