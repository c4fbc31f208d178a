package ldap

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend/ldap/ldaptest"
)

// BenchmarkDeadServer measures logins while both of two servers are well, and
// while the first of them answers nothing any more, from the second login on:
//
//	go test ./backend/ldap -run '^$' -bench BenchmarkDeadServer -benchtime 5x
func BenchmarkDeadServer(b *testing.B) {
	first, second := startSlapd(b), startSlapd(b)
	c := first.config(b)
	c.URLs = append(c.URLs, second.ldapsURL)
	c.CAFile = writeFile(b, "both.pem", slices.Concat(readFile(b, first.dir, "ca.pem"), readFile(b, second.dir, "ca.pem")))
	directory := open(b, c)
	server := directory.directory.servers[0]
	var normal, failed, ratios, trips []float64
	for b.Loop() {
		until(b, func() bool { timeLogin(b, directory); return server.breaker.state() == nil })
		normal = append(normal, p99(b, directory))
		first.signal(syscall.SIGSTOP)
		trips = append(trips, timeLogin(b, directory))
		failed = append(failed, p99(b, directory))
		first.signal(syscall.SIGCONT)
		ratios = append(ratios, failed[len(failed)-1]/normal[len(normal)-1])
	}
	b.ReportMetric(median(normal), "normal-p99-ms")
	b.ReportMetric(median(failed), "failed-p99-ms")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(trips), "first-login-ms")
}

func readFile(b *testing.B, dir, name string) []byte {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// timeLogin returns how many milliseconds a login took.
func timeLogin(b *testing.B, directory *Backend) float64 {
	b.Helper()
	start := time.Now()
	if _, err := directory.Authenticate(b.Context(), "alice", realPass); err != nil {
		b.Error(err)
	}
	return float64(time.Since(start)) / float64(time.Millisecond)
}

// p99 returns how many milliseconds 99 of 100 logins, out of 1000, take at most.
func p99(b *testing.B, directory *Backend) float64 {
	b.Helper()
	var took []float64
	for range 1000 {
		took = append(took, timeLogin(b, directory))
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// BenchmarkDeadline measures by how much a login outlasts its deadline, at most,
// when a server does each of the things that it should not, and what is left of
// goroutines and descriptors afterwards:
//
//	go test ./backend/ldap -run '^$' -bench BenchmarkDeadline -benchtime 1x
func BenchmarkDeadline(b *testing.B) {
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	var worst time.Duration
	n := 0
	for b.Loop() {
		for name, fault := range faultsOf() {
			n++
			over := overrun(b, fault)
			if over > 100*time.Millisecond {
				b.Logf("%s: %v beyond the deadline", name, over)
			}
			worst = max(worst, over)
		}
	}
	until(b, func() bool { return runtime.NumGoroutine() <= goroutines })
	b.ReportMetric(float64(n), "logins")
	b.ReportMetric(float64(worst)/float64(time.Millisecond), "worst-overrun-ms")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines-left")
	b.ReportMetric(float64(openDescriptors()-descriptors), "descriptors-left")
}

// overrun returns by how much a login outlasts its deadline, the first of all
// deadlines that there are.
func overrun(b *testing.B, fault func(ldaptest.Request) ldaptest.Fault) time.Duration {
	b.Helper()
	s, err := ldaptest.New(ldaptest.Config{Entries: company()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := configFor(b, s)
	c.URLs, c.StartTLS, c.LoginTimeout, c.Log = []string{s.URL("ldap")}, true, 300*time.Millisecond, nil
	directory, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	defer directory.Close()
	s.OnRequest(fault)
	start := time.Now()
	if got := verdictOf(directory, "alice", alicePass); got != "unavailable" {
		b.Errorf("got %s, want unavailable", got)
	}
	return time.Since(start) - c.LoginTimeout
}

// BenchmarkSickAddress measures logins while all of three addresses of one name are
// well, and while the first of them is sick in each of several ways, from the second
// login on; the two are those of two directories, which take turns:
//
//	go test ./backend/ldap -run '^$' -bench BenchmarkSickAddress -benchtime 5x
func BenchmarkSickAddress(b *testing.B) {
	server := startSlapd(b)
	_, port, err := net.SplitHostPort(server.ldaps)
	if err != nil {
		b.Fatal(err)
	}
	for i, sick := range sicknesses() {
		b.Run(strings.ReplaceAll(sick.name, " ", "-"), func(b *testing.B) {
			bad := fmt.Sprintf("127.1.0.%d", i+1)
			s, _ := newSite(b)
			s.port = port
			sick.fall(b, net.JoinHostPort(bad, port), s)
			site := func(ips ...string) *Backend {
				c := server.config(b)
				c.CAFile = writeFile(b, "both.pem", slices.Concat(readFile(b, server.dir, "ca.pem"), s.authority.PEM()))
				c.URLs = []string{"ldaps://" + siteName + ":" + port}
				c.names.hosts = hostsAt(ips...)
				return open(b, c)
			}
			var normal, failed, ratios, firsts []float64
			for b.Loop() {
				well, ill := site("127.0.0.1", "127.0.0.2"), site(bad, "127.0.0.1", "127.0.0.2")
				timeLogin(b, well)
				firsts = append(firsts, timeLogin(b, ill))
				one, other := p99OfBoth(b, well, ill)
				normal, failed, ratios = append(normal, one), append(failed, other), append(ratios, other/one)
				well.Close()
				ill.Close()
			}
			b.ReportMetric(median(normal), "normal-p99-ms")
			b.ReportMetric(median(failed), "sick-p99-ms")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(slices.Max(firsts), "first-login-ms")
		})
	}
}

// p99OfBoth is p99 of two directories whose logins take turns.
func p99OfBoth(b *testing.B, one, other *Backend) (float64, float64) {
	var took [2][]float64
	for range 1000 {
		took[0] = append(took[0], timeLogin(b, one))
		took[1] = append(took[1], timeLogin(b, other))
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][990], took[1][990]
}
