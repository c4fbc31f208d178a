package main_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
)

// floodRate is how many bad logins a second are sent, or as many as the machine
// can.
const floodRate = 5000

// Users whose login is remembered see nothing of a flood of bad logins against
// hashes that take a quarter of a second each.
func TestRememberedUsersSeeNothingOfAFlood(t *testing.T) {
	if os.Getenv(secondsVariable) == "" {
		t.Parallel() // no time is measured
	}
	f := serveDearHashes(t)
	if resp, body := f.request(t, "GET", "/v2/x/tags/list", puller, pullerPassword); resp.StatusCode != http.StatusOK {
		t.Fatalf("the first login: %s\n%s", resp.Status, body)
	}
	ctx, stop := context.WithCancel(t.Context())
	bad := floodOf(ctx, t, f)
	took := f.requestsUntil(t, bad.longEnough(t))
	stop()
	bad.senders.Wait()
	t.Logf("bad logins: %v", bad.counts)
	t.Logf("%d requests of a remembered user: median %v, p99 %v, most %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	// Where the machine is too busy a stranger may get 503, or no answer at all.
	possible := []int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable, 0}
	for status := range bad.counts {
		if !slices.Contains(possible, status) {
			t.Errorf("bad logins were answered with %d", status)
		}
	}
	if bad.count(http.StatusTooManyRequests) == 0 {
		t.Error("no bad login was answered with 429")
	}
}

// requestsUntil sends requests of a remembered user until it is over, and returns how
// long each took, in order of that.
func (f front) requestsUntil(t *testing.T, over func() bool) []time.Duration {
	t.Helper()
	client := f.certificate.client(f.addr)
	defer client.CloseIdleConnections()
	var took []time.Duration
	for len(took) == 0 || !over() {
		begin := time.Now()
		if status, err := loginStatus(t.Context(), client, puller, pullerPassword); status != http.StatusOK {
			t.Errorf("a remembered user got %d, %v during the flood", status, err)
		}
		took = append(took, time.Since(begin))
		time.Sleep(2 * time.Millisecond)
	}
	slices.Sort(took)
	return took
}

// serveDearHashes starts a gateway whose password file has hashes of cost 12.
func serveDearHashes(t *testing.T) front {
	t.Helper()
	r := newRecipe(t)
	hash, err := bcrypt.GenerateFromPassword([]byte(pullerPassword), 12)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.usersFile, fmt.Appendf(nil, "%s:%s\n", puller, hash), 0o644)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	config := filepath.Join(r.dir, "flood.toml")
	text := strings.NewReplacer("@DIR@", r.dir, "@UPSTREAM@", upstream.URL).Replace(`
access_log = "off"
[timeouts]
login = "60s" # where many tests share the machine
[[backend]]
name = "local"
type = "htpasswd"
users_file = "@DIR@/httpd.htpasswd"
[[route]]
path = "/v2/"
backend = "local"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`)
	writeFile(t, config, []byte(text), 0o644)
	return r.serve(t, "--config", config)
}

// badLogins are what a flood has sent.
type badLogins struct {
	senders sync.WaitGroup
	mu      sync.Mutex
	counts  map[int]int // of answers, by their status
}

func (b *badLogins) count(status int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[status]
}

// longEnough reports when the flood has lasted for its time and the gateway has begun
// to bound it, or never will.
func (b *badLogins) longEnough(t *testing.T) func() bool {
	begin, least := time.Now(), time.Duration(scale(t, secondsVariable, 1))*time.Second
	return func() bool {
		passed := time.Since(begin)
		return passed > patience || passed > least && b.count(http.StatusTooManyRequests) > 0
	}
}

// floodOf sends bad logins until ctx is done, each with a password of its own and
// many at once, from many addresses. Those that have no answer by then are given up.
func floodOf(ctx context.Context, t *testing.T, f front) *badLogins {
	t.Helper()
	const senders, maxPending = 32, 100 // of each sender
	b := &badLogins{counts: map[int]int{}}
	guess := func(client *http.Client, name string) {
		status, _ := loginStatus(ctx, client, name, "guess-"+name)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.counts[status]++
	}
	for i := range senders {
		client := f.certificate.client(f.addr)
		client.Transport = fromAddress(f, fmt.Sprintf("127.1.0.%d", i+1))
		t.Cleanup(client.CloseIdleConnections)
		b.senders.Go(func() {
			var answers errgroup.Group
			answers.SetLimit(maxPending)
			defer answers.Wait()
			ticks := time.NewTicker(senders * time.Second / floodRate)
			defer ticks.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				<-ticks.C
				answers.Go(func() error { guess(client, fmt.Sprintf("nobody-%d-%d", i, n)); return nil })
			}
		})
	}
	return b
}

// fromAddress connects from an address of this machine.
func fromAddress(f front, address string) http.RoundTripper {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: f.certificate.pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, f.addr)
		},
	}
}

// loginStatus returns the status of a request with credentials, 0 without an answer.
func loginStatus(ctx context.Context, client *http.Client, user, password string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "https://registry.test/v2/x/tags/list", nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(user, password)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
