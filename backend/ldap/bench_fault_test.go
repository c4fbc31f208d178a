package ldap

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
