package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// slowBackend lets nobody know before its time.
type slowBackend struct {
	people
	asked   atomic.Int32
	proceed chan struct{}
}

func (s *slowBackend) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	if user != "pull" {
		s.asked.Add(1)
		select {
		case <-s.proceed:
		case <-ctx.Done():
			return backend.Identity{}, fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err())
		}
	}
	return s.people.Authenticate(ctx, user, password)
}

// crowded starts a gateway in which one more undecided request than half of undecided
// is one too many, and has so many wait for their login.
func crowded(t *testing.T, undecided int, change func(*Config)) (tg *testGateway, b *slowBackend, metrics *Metrics) {
	t.Helper()
	b = &slowBackend{people: everyone, proceed: make(chan struct{})}
	cache, err := backend.NewCache(b, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := recipeRoute(t, newCapture(t).url())
	r.Backend = cache
	metrics = NewMetrics("v1", "go1")
	tg = startPrepared(t, func(c *Config) {
		c.Metrics = metrics
		if change != nil {
			change(c)
		}
	}, func(g *Gateway) { g.sites.current().limits.Undecided = undecided }, r)
	t.Cleanup(func() { close(b.proceed) })
	if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 { // who is remembered from now on
		t.Fatalf("a login: status %d", resp.StatusCode)
	}
	for i := range undecided / 2 {
		w := tg.dial(t)
		w.send(t, fmt.Sprintf("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n", basicOf(fmt.Sprintf("u%d:wrong", i))))
	}
	testkit.Await(t, "they wait", func() bool { return int(b.asked.Load()) == undecided/2 })
	return tg, b, metrics
}

// Where too many requests wait for a login, the backend is not asked about one more,
// and who is remembered passes.
func TestSEC2CrowdIsTurnedAway(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		tg, b, m := crowded(t, 8, change)
		resp := tg.do(t, "push", "PUT", "/v2/x", strings.NewReader("body"))
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.Proto != name {
			t.Errorf("%s: one more over %s: status %d, Retry-After %q", name, resp.Proto, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if got := b.asked.Load(); got != 4 {
			t.Errorf("%s: the backend was asked about %d, want 4", name, got)
		}
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: who is remembered: status %d", name, resp.StatusCode)
		}
		if got := samples(t, m, "gatehouse_crowded_total")["what=request"]; got != 1 {
			t.Errorf("%s: %v requests were counted, want 1", name, got)
		}
	}
}

// A connection whose client takes no answer cannot have more than a few of them where
// there is no room; others are answered.
func TestSEC2AnswersThatNobodyReadsEndTheConnection(t *testing.T) {
	tg, _, m := crowded(t, 4, withTLS(t))
	h := dialH2(t, tg)
	h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for i := range uint32(40) {
		if h.begin(2*i+1, true) != nil {
			break
		}
	}
	testkit.Await(t, "the connection is ended", func() bool { return samples(t, m, "gatehouse_crowded_total")["what=connection"] >= 1 })
	io.Copy(io.Discard, h.conn)
	testkit.Await(t, "nothing of it is left", func() bool { return tg.Stats().Undecided == 2 })
	if resp := tg.do(t, "push", "GET", "/v2/", nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("somebody else: status %d", resp.StatusCode)
	}
	if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
		t.Errorf("who is remembered: status %d", resp.StatusCode)
	}
}

// What a client may send before there is a decision, and how large a frame may be, is
// told it at once.
func TestSEC2WindowsAreNarrow(t *testing.T) {
	tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
	h := dialH2(t, tg)
	for {
		f, err := h.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		s, ok := f.(*http2.SettingsFrame)
		if !ok || s.IsAck() {
			continue
		}
		if v, _ := s.Value(http2.SettingInitialWindowSize); v > 64<<10 {
			t.Errorf("window of a stream: %d", v)
		}
		if v, ok := s.Value(http2.SettingMaxFrameSize); ok && v > 16<<10 {
			t.Errorf("frames of %d", v)
		}
		return
	}
}
