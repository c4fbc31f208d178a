package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// Equal logins at once, of whom none is known yet, are one to the directory.
func TestEqualLoginsBehindACacheAreOne(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	cache, err := backend.NewCache(b, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() {
			if id, err := cache.Authenticate(t.Context(), "alice", alicePass); id.User != "alice" {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
	wg.Wait()
	if n, m := s.Count(ldaptest.Search), userBinds(s); n != 1 || m != 1 {
		t.Errorf("2000 equal logins took %d searches and %d binds, want one of each", n, m)
	}
}

// BenchmarkLogin compares a login with what the library alone needs for the same
// two questions on kept connections to the same server, slapd where there is one.
func BenchmarkLogin(b *testing.B) {
	s := startSlapd(b)
	pem, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dial := func() *ldap.Conn {
		c, err := ldap.DialURL(s.ldapsURL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	b.Run("library", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			search, user := dial(), dial()
			defer search.Close()
			defer user.Close()
			if err := search.Bind(svcDN, realSvcPass); err != nil {
				b.Error(err)
			}
			for pb.Next() {
				r, err := search.Search(&ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: 2,
					Filter: "(&(objectClass=person)(uid=alice))", Attributes: []string{"uid"}})
				if err != nil || len(r.Entries) != 1 {
					b.Error(err)
					return
				}
				if err := user.Bind(r.Entries[0].DN, realPass); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("backend", func(b *testing.B) {
		directory := open(b, s.config(b))
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := directory.Authenticate(b.Context(), "alice", realPass); err != nil {
					b.Error(err)
					time.Sleep(time.Millisecond)
				}
			}
		})
	})
}
