package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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
// two questions on kept connections to the same server, over LDAPS: a search for the
// same attributes, and a bind with the same control. The two take turns, so that
// whatever else the machine does meets both; the ratio is that of their rates, in the
// median turn. The processor time of a login is that of this process, without the
// server's, and depends less on what else the machine does:
//
//	go test ./backend/ldap -run '^$' -bench BenchmarkLogin -benchtime 40x
func BenchmarkLogin(b *testing.B) {
	s := startSlapd(b)
	for _, workers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			c := s.config(b)
			c.MaxConnections = workers
			directory := open(b, c)
			alone := newLibrary(b, s, workers, directory.atLogin)
			ours := func(int) error {
				_, err := directory.Authenticate(b.Context(), "alice", realPass)
				return err
			}
			const logins = 500
			loginRate(b, workers, logins, ours) // makes the connections
			var rates, references, ratios, times, referenceTimes, timeRatios []float64
			for b.Loop() {
				reference, referenceTime := loginRate(b, workers, logins, alone.login)
				rate, time := loginRate(b, workers, logins, ours)
				references, rates, ratios = append(references, reference), append(rates, rate), append(ratios, rate/reference)
				referenceTimes, times, timeRatios = append(referenceTimes, referenceTime), append(times, time), append(timeRatios, referenceTime/time)
			}
			b.ReportMetric(median(references), "library-logins/s")
			b.ReportMetric(median(rates), "logins/s")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(median(referenceTimes), "library-cpu-us/login")
			b.ReportMetric(median(times), "cpu-us/login")
			b.ReportMetric(median(timeRatios), "cpu-ratio")
		})
	}
}

// loginRate returns how many logins per second a number of workers do, and how many
// microseconds of processor time each login takes.
func loginRate(b *testing.B, workers, logins int, login func(worker int) error) (rate, used float64) {
	var wg sync.WaitGroup
	var next atomic.Int64
	start, before := time.Now(), ownTime(b)
	for worker := range workers {
		wg.Go(func() {
			for next.Add(1) <= int64(logins) {
				if err := login(worker); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	used = float64((ownTime(b) - before).Microseconds()) / float64(logins)
	return float64(logins) / time.Since(start).Seconds(), used
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// library does what a login takes with go-ldap alone, on two connections for
// each worker.
type library struct {
	search, user []*ldap.Conn
	attributes   []string
}

func newLibrary(b *testing.B, s *slapd, workers int, attributes []string) *library {
	b.Helper()
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
		b.Cleanup(func() { c.Close() })
		return c
	}
	l := library{attributes: attributes}
	for range workers {
		l.search, l.user = append(l.search, dial()), append(l.user, dial())
		if err := l.search[len(l.search)-1].Bind(svcDN, realSvcPass); err != nil {
			b.Fatal(err)
		}
	}
	return &l
}

func (l *library) login(worker int) error {
	r, err := l.search[worker].Search(&ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: 2,
		Filter: "(&(objectClass=person)(uid=alice))", Attributes: l.attributes})
	if err != nil || len(r.Entries) != 1 {
		return fmt.Errorf("got %v, %w", r, err)
	}
	policy := []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}
	_, err = l.user[worker].SimpleBind(ldap.NewSimpleBindRequest(r.Entries[0].DN, realPass, policy))
	return err
}
