package ldap

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// entryMessage is an entry that a search found, in a message with a number.
func entryMessage(number int64, dn string) []byte {
	entry := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	entry.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	entry.AppendChild(ber.NewSequence(""))
	return message(number, entry)
}

// doneMessage is the end of a search, with a result.
func doneMessage(number, code int64) []byte {
	done := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultDone, nil, "")
	done.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	done.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	done.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	return message(number, done)
}

func message(number int64, op *ber.Packet) []byte {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, number, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// Bad answers to a search are failures of the connection with a code, and never fewer
// entries than there are: neither none, nor those before something that is wrong.
func TestLDAP8BadAnswersToASearchFindNothingOut(t *testing.T) {
	boundPackets()
	long := strings.Repeat("x", 1<<16)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, raw := range map[string][]byte{
		"entries of another request":           join(entryMessage(7, "uid=alice"), doneMessage(1, 0)),
		"entries of another request, long":     join(entryMessage(300, "uid="+long), doneMessage(1, 0)),
		"one of another request among several": join(entryMessage(1, "uid=alice"), entryMessage(2, "uid=bob"), doneMessage(1, 0)),
		"the end of another request":           join(entryMessage(1, "uid=alice"), doneMessage(2, 0)),
		"entries of no request":                join(entryMessage(0, "uid=alice"), doneMessage(1, 0)),
		"the end of no request":                join(entryMessage(1, "uid=alice"), doneMessage(0, 0), doneMessage(1, 0)),
		"cut off in an entry":                  join(entryMessage(1, "uid=alice"), entryMessage(1, "uid=bob")[:9]),
		"cut off before the end":               entryMessage(1, "uid=alice"),
		"cut off in the end":                   join(entryMessage(1, "uid=alice"), doneMessage(1, 0)[:6]),
		"an entry longer than may be":          join(entryMessage(1, "uid=alice"), []byte{0x30, 0x84, 0x10, 0, 0, 0, 0x02, 0x01, 0x01}),
		"text":                                 []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			c := newConn(client, client)
			defer c.close()
			go func() {
				defer server.Close()
				if _, err := ber.ReadPacket(server); err == nil {
					server.Write(raw)
				}
			}()
			found, err := c.search(t.Context(), &Config{OperationTimeout: 5 * time.Second}, query{base: base, filter: "(uid=*)"})
			if code := fault.Of(err); found != nil || !isLost(err) || code != "ldap.protocol" && code != "ldap.tcp.lost" && code != "ldap.failed" {
				t.Errorf("got %d entries, %v (%s), want a failure with a code", len(found), err, code)
			}
		})
	}
}

// An attribute without a name, which a server may send, is none of those asked for.
func TestLDAP8AttributeWithoutANameIsNone(t *testing.T) {
	c := configFor(t, start(t, ldaptest.Config{}))
	c.GroupNameAttr = "displayName"
	b := open(t, c)
	e := &ldap.Entry{Attributes: []*ldap.EntryAttribute{{Values: []string{"x"}}}}
	if err := b.nameAsAsked(t.Context(), []*ldap.Entry{e}, []string{"displayName"}); err != nil || values(e, "displayName") != nil {
		t.Errorf("got %q, %v, want no name", values(e, "displayName"), err)
	}
}

// A panic over one of several answers that are asked for at once is a failure of the
// question, and not the end of the process.
func TestLDAP8PanicOfAQuestionIsAFailure(t *testing.T) {
	panics := func(context.Context, query) ([]*ldap.Entry, error) { panic("odd answer") }
	b := open(t, configFor(t, start(t, ldaptest.Config{})))
	r := &resolver{Backend: b, search: panics, memory: b.memory}
	found, err := r.searchAll(t.Context(), []string{"(cn=a)", "(cn=b)"}, nil)
	if fault.Of(err) != "ldap.protocol" || !isLost(err) {
		t.Errorf("got %v, %v (%s), want a failure with a code", found, err, fault.Of(err))
	}
}

// Whole messages about the request, however they are cut up on the way, are read.
func TestAnswersInPiecesAreRead(t *testing.T) {
	raw := append(append(entryMessage(1, "uid="+strings.Repeat("x", 70_000)), entryMessage(1, "uid=bob")...), doneMessage(1, 0)...)
	for _, size := range []int{1, 7, 4096, len(raw)} {
		n := numbers{open: []int64{1}}
		for rest := raw; len(rest) > 0; {
			part := min(size, len(rest))
			if err := n.check(rest[:part]); err != nil || n.opaque {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			rest = rest[part:]
		}
		if n.left != 0 || len(n.head) != 0 || len(n.open) != 0 {
			t.Errorf("in pieces of %d: %d bytes are missing", size, n.left)
		}
	}
}

// Pages without an end, a referral to the server itself, and references that go round
// are not followed.
func TestLDAP8EndlessAnswersEnd(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.Preset, c.GroupMode = "389ds", groupsSearch // which asks for pages at once
	id, _ := authenticate(t, open(t, c), "alice", alicePass)
	pages := 0
	page := func(cookie string) ldaptest.Fault {
		value := ber.NewSequence("")
		value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(0), ""))
		value.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, cookie, ""))
		return ldaptest.Fault{Answer: &ldaptest.Answer{Controls: []ldaptest.Control{{OID: ldap.ControlTypePaging, Value: value.Bytes()}}}}
	}
	for name, tt := range map[string]struct {
		fault func() ldaptest.Fault
		code  fault.Code
		most  int
	}{
		"other pages": {func() ldaptest.Fault { pages++; return page(fmt.Sprint(pages)) }, "ldap.protocol", maxPages},
		"one page":    {func() ldaptest.Fault { return page("again") }, "ldap.protocol", 2},
		"a referral to itself": {func() ldaptest.Fault {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 10, Referrals: []string{s.URL("ldaps") + "/" + base}}}
		}, "ldap.referral", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, c)
			s.Forget()
			s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Paged {
					return tt.fault()
				}
				return ldaptest.Fault{}
			})
			defer s.OnRequest(nil)
			groups, err := b.Groups(t.Context(), id)
			if fault.Of(err) != tt.code || groups != nil {
				t.Errorf("got %q, %v (%s), want %s", groups, err, fault.Of(err), tt.code)
			}
			if n := searches(s); n > 3*tt.most+3 {
				t.Errorf("the server was asked %d times, want a few times %d at most", n, tt.most)
			}
		})
	}
}

// A search that waits long is passed by another question on its connection. Both answers
// are read, in any order, and each once.
func TestLDAP10AnswersMayOvertakeEachOther(t *testing.T) {
	n := numbers{}
	n.note(doneMessage(1, 0)) // any message with the number of a request
	n.note(doneMessage(2, 0))
	for _, answer := range [][]byte{entryMessage(1, "uid=alice"), doneMessage(2, 0), entryMessage(1, "uid=bob"), doneMessage(1, 0)} {
		if err := n.check(answer); err != nil {
			t.Errorf("got %v", err)
		}
	}
	if err := n.check(doneMessage(2, 0)); fault.Of(err) != "ldap.protocol" {
		t.Errorf("a second answer: got %v, want that it is foreign", err)
	}
}
