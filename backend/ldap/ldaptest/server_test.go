package ldaptest

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) *ldap.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA().PEM())
	c, err := ldap.DialURL(s.URL("ldaps"), ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// find returns the common names of what a search finds, in order.
func find(t *testing.T, c *ldap.Conn, r ldap.SearchRequest) ([]string, error) {
	t.Helper()
	result, err := c.Search(&r)
	var names []string
	if result != nil {
		for _, e := range result.Entries {
			names = append(names, e.GetAttributeValue("cn"))
		}
	}
	slices.Sort(names)
	return names, err
}

func entry(cn, ou string, attributes map[string][]string) Entry {
	attributes["cn"], attributes["objectClass"] = []string{cn}, []string{"thing"}
	return Entry{DN: "cn=" + cn + "," + ou + "dc=x", Attributes: attributes, Password: cn + "-pw"}
}

func content() []Entry {
	return []Entry{
		{DN: "dc=x"}, {DN: "ou=a,dc=x"},
		entry("Alice", "", map[string][]string{"age": {"9"}, "mail": {"a@x", "alice@x"}}),
		entry("bob", "ou=a,", map[string][]string{"age": {"10"}, "flags": {"514"}, "memberUid": {"Case"}}),
		entry("group", "", map[string][]string{"member": {"CN=Bob, ou=A,dc=x"}}),
		entry("outer", "", map[string][]string{"member": {"cn=group,dc=x"}}),
	}
}

func TestFilters(t *testing.T) {
	c := dial(t, start(t, Config{Entries: content(), Anonymous: true}))
	for filter, want := range map[string]string{
		"(objectClass=*)": "Alice bob group outer", "(cn=alice)": "Alice", "(cn=ALICE)": "Alice", "(cn=carol)": "", "(mail=alice@x)": "Alice",
		"(&(objectClass=thing)(age=*))": "Alice bob", "(|(cn=bob)(cn=alice))": "Alice bob", "(!(age=*))": "group outer", "(&)": "Alice bob group outer", "(|)": "",
		"(age>=10)": "bob", "(age<=9)": "Alice", "(cn~=BOB)": "bob", "(cn=al*)": "Alice", "(cn=*li*e)": "Alice", "(cn=*up)": "group", "(cn=b*b*b)": "",
		"(member=cn=bob,ou=a,dc=x)": "group", "(member:1.2.840.113556.1.4.1941:=cn=bob,ou=a,dc=x)": "group outer",
		"(flags:1.2.840.113556.1.4.803:=2)": "bob", "(flags:1.2.840.113556.1.4.803:=3)": "", "(flags:1.2.840.113556.1.4.804:=3)": "bob",
		"(cn:=alice)": "Alice", "(cn:1.2.3:=alice)": "", "(memberUid=Case)": "bob", "(memberUid=case)": "", "(entryDN=cn=bob,ou=a,dc=x)": "bob", `(cn=\61lice)`: "Alice",
	} {
		got, err := find(t, c, ldap.SearchRequest{BaseDN: "dc=x", Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: []string{"cn"}})
		got = slices.DeleteFunc(got, func(name string) bool { return name == "" }) // the two without one
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v, want %q", filter, got, err, want)
		}
	}
}

func TestScopesAndLimits(t *testing.T) {
	c := dial(t, start(t, Config{Entries: content(), Anonymous: true}))
	for _, tt := range []struct {
		base  string
		scope int
		want  string
	}{{"dc=x", ldap.ScopeSingleLevel, "Alice group outer"}, {"ou=a,dc=x", ldap.ScopeSingleLevel, "bob"}, {"cn=alice,dc=x", ldap.ScopeBaseObject, "Alice"}, {"OU=A, DC=X", ldap.ScopeWholeSubtree, "bob"}} {
		got, err := find(t, c, ldap.SearchRequest{BaseDN: tt.base, Scope: tt.scope, Filter: "(cn=*)", Attributes: []string{"cn"}})
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %q, %v", tt, got, err)
		}
	}
	got, err := find(t, c, ldap.SearchRequest{BaseDN: "dc=x", Scope: ldap.ScopeWholeSubtree, Filter: "(cn=*)", SizeLimit: 2})
	if len(got) != 2 || !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		t.Errorf("size limit: got %q, %v", got, err)
	}
	if _, err := find(t, c, ldap.SearchRequest{BaseDN: "dc=y", Filter: "(cn=*)"}); !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		t.Errorf("base that is not there: got %v", err)
	}
	result, err := c.SearchWithPaging(&ldap.SearchRequest{BaseDN: "dc=x", Scope: ldap.ScopeWholeSubtree, Filter: "(cn=*)"}, 3)
	if err != nil || len(result.Entries) != 4 {
		t.Errorf("pages: got %v, %v", result, err)
	}
}

// RFC 4511, section 4.2.1: who fails to bind is nobody.
func TestBindsDecideWhoMaySearch(t *testing.T) {
	s := start(t, Config{Entries: content(), Readers: []string{"cn=alice,dc=x"}})
	c := dial(t, s)
	search := func() error {
		_, err := find(t, c, ldap.SearchRequest{BaseDN: "dc=x", Filter: "(objectClass=*)"})
		return err
	}
	for _, tt := range []struct {
		dn, password string
		code         uint16
		reads        bool
	}{
		{"cn=alice,dc=x", "Alice-pw", 0, true}, {"cn=alice,dc=x", "wrong", 49, false}, {"cn=bob,ou=a,dc=x", "bob-pw", 0, false},
		{"cn=nobody,dc=x", "x", 49, false}, {"CN=Alice,DC=X", "Alice-pw", 0, true},
	} {
		err := c.Bind(tt.dn, tt.password)
		if tt.code == 0 && err != nil || tt.code != 0 && !ldap.IsErrorWithCode(err, tt.code) {
			t.Errorf("%s: got %v, want code %d", tt.dn, err, tt.code)
		}
		if err := search(); (err == nil) != tt.reads {
			t.Errorf("%s: a search ended with %v", tt.dn, err)
		}
	}
	if err := c.UnauthenticatedBind("cn=alice,dc=x"); !ldap.IsErrorWithCode(err, 53) || search() == nil {
		t.Errorf("a name without a password: got %v", err)
	}
}

func TestNamesWithCommasAreOnePart(t *testing.T) {
	if a, b := foldDN(`cn=a\,b,dc=x`), foldDN("cn=a,b=b,dc=x"); a == b || !inScope(a, "dc=x", scopeOne) || inScope(foldDN(`cn=a\,dc=x`), "dc=x", scopeSub) {
		t.Errorf("%q and %q", a, b)
	}
	if a := foldDN(`CN=A\2CB , DC=X`); a != foldDN(`cn=a\,b,dc=x`) {
		t.Errorf("got %q", a)
	}
}
