package ldap

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/ldap/ldaptest"
)

// hostileAnswers are bytes that no server should send, for the message with
// the number 1.
func hostileAnswers() map[string][]byte {
	deep := bytes.Repeat([]byte{0x30, 0x80}, 100_000)
	return map[string][]byte{
		"empty":                      {},
		"zeros":                      make([]byte, 64),
		"text":                       []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"length of 2 GiB":            {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02, 0x01, 0x01},
		"length of 4 GiB":            {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02, 0x01, 0x01},
		"length in 127 bytes":        append([]byte{0x30, 0xff}, make([]byte, 127)...),
		"nested 100,000 deep":        deep,
		"indefinite":                 {0x30, 0x80, 0x02, 0x01, 0x01},
		"no number":                  {0x30, 0x00},
		"number that is a string":    {0x30, 0x0c, 0x04, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"answer without content":     {0x30, 0x05, 0x02, 0x01, 0x01, 0x61, 0x00},
		"code of no bytes":           {0x30, 0x0b, 0x02, 0x01, 0x01, 0x61, 0x06, 0x0a, 0x00, 0x04, 0x00, 0x04, 0x00},
		"code that is a string":      {0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x04, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"end of a search, code 0":    {0x30, 0x0c, 0x02, 0x01, 0x01, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"extended answer, code 0":    {0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"success to another request": {0x30, 0x0c, 0x02, 0x01, 0x63, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"success to request 0":       {0x30, 0x0c, 0x02, 0x01, 0x00, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"success in another class":   {0x30, 0x0c, 0x02, 0x01, 0x01, 0xa1, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
		"success and half a message": {0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00, 0x30, 0x20, 0x02},
		"two successes":              bytes.Repeat([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00}, 2),
		"disconnection":              ldaptest.Disconnection(),
	}
}

func TestHostileAnswersLetNobodyIn(t *testing.T) {
	t.Parallel()
	for name, raw := range hostileAnswers() {
		for _, where := range []string{"bind", "search"} {
			t.Run(name+" to a "+where, func(t *testing.T) {
				t.Parallel()
				s := start(t, ldaptest.Config{})
				c := configFor(t, s)
				c.ConnectTimeout, c.OperationTimeout, c.aliveTimeout = time.Second, 500*time.Millisecond, time.Second
				b := open(t, c)
				fault := ldaptest.Fault{Raw: raw}
				if where == "bind" {
					s.OnRequest(onUserBind(fault))
				} else {
					s.OnRequest(onSearch(fault))
				}
				if id, got := authenticate(t, b, "alice", alicePass); got != "unavailable" && got != "fault" {
					t.Errorf("got %+v, %s, want a failure", id, got)
				}
				s.OnRequest(nil)
				until(t, func() bool { return verdictOf(b, "alice", alicePass) == "in" })
			})
		}
	}
}

// A bind must be answered by an answer to a bind.
func TestAnswerToAnotherQuestionIsNone(t *testing.T) {
	t.Parallel()
	for tag := range uint(26) {
		if tag == 1 || tag == 0 { // the right one, and the one that means so here
			continue
		}
		s := start(t, ldaptest.Config{})
		b := open(t, quick(configFor(t, s)))
		s.OnRequest(onUserBind(ldaptest.Fault{Tag: tag, Answer: &ldaptest.Answer{}}))
		if _, got := authenticate(t, b, "alice", wrongGuess); got != "unavailable" {
			t.Errorf("operation %d in place of an answer to a bind: got %s", tag, got)
		}
	}
}

// An answer that comes after its question was given up must not answer another.
func TestLateAnswerMeetsNobody(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := quick(configFor(t, s))
	c.MaxConnections = 1
	b := open(t, c)
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if r.Kind == ldaptest.Bind && r.DN == uidDN("alice") {
			return ldaptest.Fault{Delay: c.OperationTimeout + 100*time.Millisecond}
		}
		return ldaptest.Fault{}
	})
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("late answer: got %s", got)
	}
	for deadline := time.Now().Add(400 * time.Millisecond); time.Now().Before(deadline); {
		if got := verdictOf(b, "bob", wrongGuess); got != "wrong" && got != "unavailable" {
			t.Errorf("bob with a wrong password: got %s", got)
		}
	}
}

// A server that never ends an answer takes a bounded amount of memory.
func TestEndlessAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer server.Close()
	c := newConn(client, client)
	defer c.close()
	sent := make(chan int)
	go func() {
		ber.ReadPacket(server)
		entry := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
		entry.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, strings.Repeat("x", 1<<20), ""))
		entry.AppendChild(ber.NewSequence(""))
		message := ber.NewSequence("")
		message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
		message.AppendChild(entry)
		n := 0
		for b := message.Bytes(); n < 4*answerMax; n += len(b) {
			if _, err := server.Write(b); err != nil {
				break
			}
		}
		sent <- n
	}()
	_, err := c.search(t.Context(), &Config{OperationTimeout: time.Minute}, query{base: base, filter: "(uid=*)"})
	if !isLost(err) {
		t.Errorf("got %v, want that the connection is lost", err)
	}
	if n := <-sent; n > answerMax+2*packetMax {
		t.Errorf("the server sent %d MiB before it was stopped", n>>20)
	}
}

func TestRangesThatMakeNoSenseEnd(t *testing.T) {
	for attribute, want := range map[string]struct {
		name string
		next int
		ok   bool
	}{
		"member": {"member", 0, false}, "member;range=0-1499": {"member", 1500, true}, "member;Range=1500-*": {"member", 0, true},
		"member;binary": {"member;binary", 0, false}, "member;range=0": {"member;range=0", 0, false}, "member;range=": {"member;range=", 0, false},
		"member;range=0--5": {"member;range=0--5", 0, false}, "member;range=0-99999999999999999999": {"member;range=0-99999999999999999999", 0, false},
	} {
		name, next, ok := parseRange(attribute)
		if name != want.name && ok || next != want.next || ok != want.ok {
			t.Errorf("%s: got %q, %d, %v, want %+v", attribute, name, next, ok, want)
		}
	}
}

// FuzzUserFilter checks that a filter made from a typed name asks for that name
// and nothing else: it has the shape that the administrator gave it, and its
// value is the name.
func FuzzUserFilter(f *testing.F) {
	for _, name := range []string{"alice", "*", "a)(uid=*", `\2a`, "jörg", "x\x00y", "(|(a=b))", "a\\", "{user}", "{account}"} {
		f.Add(name)
	}
	filter, err := parseUserFilter("(&(objectClass=person)(|(uid={user})(mail={account})))")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		text := filter.filter(login{user: name, account: name})
		p, err := ldap.CompileFilter(text)
		if err != nil {
			t.Fatalf("%q makes %s: %v", name, text, err)
		}
		if len(p.Children) != 2 || len(p.Children[1].Children) != 2 {
			t.Fatalf("%q makes %s, which has another shape", name, text)
		}
		for _, leaf := range p.Children[1].Children {
			if leaf.Tag != ldap.FilterEqualityMatch || leaf.Children[1].Data.String() != name {
				t.Errorf("%q makes %s, which asks for %q", name, text, leaf.Children[1].Data.String())
			}
		}
	})
}

func FuzzLogin(f *testing.F) {
	for _, name := range []string{"alice", `CORP\alice`, "alice@corp.example", "ａlice", "jo\u0308rg", "İ", "\u212a", "a@b@corp.example"} {
		f.Add(name)
	}
	b := &Backend{domains: &domains{own: []string{"corp.example", "CORP"}}}
	f.Fuzz(func(t *testing.T, name string) {
		once := b.CanonicalUser(name)
		if again := b.CanonicalUser(once); again != once && !strings.ContainsAny(once, `@\`) {
			t.Errorf("%q becomes %q and then %q", name, once, again)
		}
		group := b.CanonicalGroup(name)
		if again := b.CanonicalGroup(group); again != group {
			t.Errorf("group %q becomes %q and then %q", name, group, again)
		}
	})
}

// A name that is read the short way is what the long way makes of it.
func FuzzPlainDN(f *testing.F) {
	for _, name := range []string{
		"cn=dev,ou=groups," + base, "CN=Dev Team,DC=x", "cn=a  b,dc=x", "cn= a,dc=x", "cn=a ,dc=x", "cn=a, dc=x", "cn =a,dc=x", "cn=,dc=x", "cn=a,", ",cn=a", "cn", "",
		"cn=a=b,dc=x", "cn=#61,dc=x", "cn=a+uid=b,dc=x", `cn=a\,b,dc=x`, "commonName=a,dc=x", "2.5.4.3=a,dc=x", "oid.2.5.4.3=a", "uid=\u212a,dc=x", "uid=a\x00,dc=x", "1a=b", "c-n=b", "cn=a;dc=x", "userid=a.b_c-d",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, ok := plainDN(text)
		if !ok {
			return
		}
		want, err := parseAnyDN(text)
		if err != nil || want.String() != name || !slices.Equal(want, strings.Split(name, ",")) {
			t.Errorf("%q: got %q, want %q, %v", text, name, want, err)
		}
	})
}

// Most names are read the short way, which is what it is for.
func TestUsualNamesArePlain(t *testing.T) {
	for _, name := range []string{uidDN("alice"), cnDN("dev"), "CN=Domain Admins,OU=Groups_1,DC=corp,DC=example"} {
		if got, ok := plainDN(name); !ok || got != strings.ToLower(name) {
			t.Errorf("%q: got %q, %t", name, got, ok)
		}
	}
}

// FuzzAnswer gives the bytes of a server to everything that reads them.
func FuzzAnswer(f *testing.F) {
	for _, raw := range hostileAnswers() {
		if len(raw) < 1000 {
			f.Add(raw)
		}
	}
	boundPackets()
	f.Fuzz(func(t *testing.T, raw []byte) {
		client, server := net.Pipe()
		c := newConn(client, client)
		defer c.close()
		go func() {
			defer server.Close()
			if _, err := ber.ReadPacket(server); err == nil {
				server.Write(raw)
			}
		}()
		_, err := c.bind(t.Context(), time.Second, "uid=alice", alicePass)
		if err == nil && !isBindResponse(raw) {
			t.Errorf("%x lets a user in", raw)
		}
	})
}
