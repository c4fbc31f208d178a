package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// samples returns the values of all series of a family by their labels, such as
// "method=GET status=200"; of a histogram, how often it was told something.
func samples(t *testing.T, m *Metrics, family string) map[string]float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, s := range f.GetMetric() {
			var labels []string
			for _, l := range s.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
			values[strings.Join(labels, " ")] = value
		}
	}
	return values
}

// risen returns the series that are not zero.
func risen(values map[string]float64) map[string]float64 {
	maps.DeleteFunc(values, func(_ string, v float64) bool { return v == 0 })
	return values
}

func withMetrics(m *Metrics) func(*Config) {
	return func(c *Config) { c.Metrics = m }
}

func TestMetricsThatAlertsNeedAreThereFromTheStart(t *testing.T) {
	m := NewMetrics("v1", "go1")
	startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t).url()))
	want := map[string]float64{
		"decision=allowed method=GET route=/v2/ status=200":         0,
		"decision=unauthenticated method=GET route=/v2/ status=401": 0,
		"decision=denied method=GET route=/v2/ status=403":          0,
		"decision=undecided method=GET route=/v2/ status=503":       0,
	}
	if diff := cmp.Diff(want, samples(t, m, "gatehouse_requests_total")); diff != "" {
		t.Errorf("requests before the first (-want +got):\n%s", diff)
	}
	for family, want := range map[string]map[string]float64{
		"gatehouse_config_last_reload_successful": {"": 0},
		"gatehouse_config_reloads_total":          {"result=success": 0, "result=failure": 0},
		"gatehouse_build_info":                    {"goversion=go1 version=v1": 1},
	} {
		if diff := cmp.Diff(want, samples(t, m, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, func(c *Config) { withTLS(t)(c); c.Metrics = m }, recipeRoute(t, newCapture(t).url()))
	cache, err := backend.NewCache(everyone, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	shield, err := backend.NewShield(lockable{everyone}, backend.ShieldConfig{})
	if err != nil {
		t.Fatal(err)
	}
	flood, err := backend.NewFlood(shield, backend.FloodConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m.SetHashMemory(func() HashMemoryUse { return HashMemoryUse{} })
	m.SetBackends([]BackendInfo{{Name: "corp", Backend: reporting{}, Cache: cache, Shield: shield, Flood: flood}})
	m.Operation("corp")(backend.Operation{Server: "dc1:636", Name: "bind", Result: "success"})
	m.Reloaded("0a0000000001", time.Second, nil)
	tg.do(t, "pull", "GET", "/v2/", nil)
	problems, err := testutil.GatherAndLint(m.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A pedantic registry fails where something is collected that was not described.
func TestCollectorDescribesWhatItCollects(t *testing.T) {
	m := NewMetrics("v1", "go1")
	startGateway(t, func(c *Config) { withTLS(t)(c); c.Metrics = m }, recipeRoute(t, newCapture(t).url()))
	m.SetHashMemory(func() HashMemoryUse { return HashMemoryUse{} })
	m.SetBackends([]BackendInfo{{Name: "corp", Backend: reporting{}}})
	pedantic := prometheus.NewPedanticRegistry()
	pedantic.MustRegister(collector{m})
	if _, err := pedantic.Gather(); err != nil {
		t.Error(err)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	m := NewMetrics("v1", "go1")
	up := newCapture(t)
	tg := startGateway(t, withMetrics(m), recipeRoute(t, up.url()))
	for _, r := range []struct{ user, method, path, body string }{
		{"pull", "GET", "/v2/app/manifests/1", ""},
		{"pull", "GET", "/v2/app/manifests/1", ""},
		{"push", "PUT", "/v2/app/manifests/1", "0123456789"},
		{"pull", "PUT", "/v2/app/manifests/1", ""},
		{"nobody", "GET", "/v2/", ""},
		{"", "GET", "/v2/", ""},
		{"pull", "GET", "/elsewhere", ""},
		{"pull", "BREW", "/v2/", ""},
	} {
		var body io.Reader = http.NoBody
		if r.body != "" {
			body = strings.NewReader(r.body)
		}
		tg.do(t, r.user, r.method, r.path, body)
	}
	tg.records(t, 8)
	testkit.Await(t, "no request is running", func() bool { return samples(t, m, "gatehouse_requests_in_flight")[""] == 0 })
	for family, want := range map[string]map[string]float64{
		"gatehouse_requests_total": {
			"decision=allowed method=GET route=/v2/ status=200":         2,
			"decision=allowed method=PUT route=/v2/ status=200":         1,
			"decision=denied method=PUT route=/v2/ status=403":          1,
			"decision=unauthenticated method=GET route=/v2/ status=401": 2,
			"decision=invalid method=GET route=none status=404":         1,
			"decision=invalid method=other route=none status=501":       1,
		},
		"gatehouse_rule_requests_total": {
			"decision=allowed route=/v2/ rule=pull":         2,
			"decision=allowed route=/v2/ rule=push":         1,
			"decision=denied route=/v2/ rule=push":          1,
			"decision=unauthenticated route=/v2/ rule=pull": 2,
		},
		"gatehouse_refusals_total": {
			"reason=rule": 1, "reason=unknown_user": 1, "reason=no_credentials": 1, "reason=not_found": 1, "reason=unsupported": 1,
		},
		"gatehouse_request_duration_seconds": {
			"method=GET route=/v2/": 4, "method=PUT route=/v2/": 2, "method=GET route=none": 1, "method=other route=none": 1,
		},
		"gatehouse_authentication_duration_seconds": {"route=/v2/": 5},
		"gatehouse_upstream_duration_seconds":       {"method=GET route=/v2/": 2, "method=PUT route=/v2/": 1},
		"gatehouse_request_body_bytes_total":        {"route=/v2/": 10},
	} {
		if diff := cmp.Diff(want, risen(samples(t, m, family))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	for _, test := range []struct {
		err    error
		reason string
	}{
		{backend.ErrUnknownUser, "unknown_user"},
		{backend.ErrWrongPassword, "wrong_password"},
		{backend.ErrLocked, "locked"},
		{backend.ErrUnavailable, "backend_unavailable"},
		{errors.New("disk on fire"), "failed"},
	} {
		m := NewMetrics("v1", "go1")
		route := recipeRoute(t, newCapture(t).url())
		route.Backend = failing{test.err}
		tg := startGateway(t, withMetrics(m), route)
		tg.do(t, "pull", "GET", "/v2/", nil)
		tg.records(t, 1)
		want := map[string]float64{"reason=" + test.reason: 1}
		testkit.Await(t, "the refusal is counted", func() bool { return len(samples(t, m, "gatehouse_refusals_total")) > 0 })
		if diff := cmp.Diff(want, samples(t, m, "gatehouse_refusals_total")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.err, diff)
		}
	}
}

// failing is a backend that answers everything with an error.
type failing struct{ err error }

func (f failing) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, f.err
}
func (f failing) Groups(context.Context, backend.Identity) ([]string, error) { return nil, f.err }

func TestUpstreamsThatFailAreCountedByReason(t *testing.T) {
	for answer, reason := range map[string]string{
		"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n": "upstream_answer",
		"SSH-2.0-OpenSSH_9.2\r\n\r\n": "upstream_answer",
	} {
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t, answer).url()))
		tg.do(t, "pull", "GET", "/v2/", nil)
		testkit.Await(t, "the refusal is counted", func() bool { return len(samples(t, m, "gatehouse_refusals_total")) > 0 })
		if got := samples(t, m, "gatehouse_refusals_total")["reason="+reason]; got != 1 {
			t.Errorf("%q: %v refusals because of %s, want 1", answer, got, reason)
		}
	}
}

// Whatever clients send, the number of series stays what it is: names of users,
// repositories, hosts and methods of their choice are in none.
func TestClientsCannotMakeMetricsGrow(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t).url()))
	const marker = "zzmarker"
	series := func() int {
		n := 0
		families, err := m.Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), metricsPrefix) {
				continue
			}
			n += len(f.GetMetric())
			if strings.Contains(f.String(), marker) {
				t.Errorf("%s has a label of the client's choice", f.GetName())
			}
		}
		return n
	}
	visit := func(i int) {
		name := fmt.Sprintf("%s%d", marker, i)
		tg.do(t, name, "GET", "/v2/"+name+"/manifests/1", nil)
		tg.do(t, "pull", "GET", "/v2/"+name+"/manifests/1?n="+name, nil)
		tg.do(t, "pull", strings.ToUpper(name), "/v2/", nil)
		tg.do(t, "pull", "GET", "/"+name, nil)
	}
	visit(0)
	tg.records(t, 4)
	testkit.Await(t, "the requests are counted", func() bool { return len(risen(samples(t, m, "gatehouse_requests_total"))) == 4 })
	before := series()
	for i := range 20 {
		visit(i + 1)
	}
	tg.records(t, 84)
	if after := series(); after != before {
		t.Errorf("%d series after names that were not seen before, want %d", after, before)
	}
}

func TestUnknownStatusOfUpstreamIsCountedAsOther(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t, "HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n").url()))
	tg.do(t, "pull", "GET", "/v2/", nil)
	want := map[string]float64{"decision=allowed method=GET route=/v2/ status=other": 1}
	testkit.Await(t, "the request is counted", func() bool { return len(risen(samples(t, m, "gatehouse_requests_total"))) > 0 })
	if diff := cmp.Diff(want, risen(samples(t, m, "gatehouse_requests_total"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// reporting is a backend with two servers, of which one is left alone.
type reporting struct{ backend.Backend }

func (reporting) Status() backend.Status {
	return backend.Status{Degraded: true, Servers: []backend.ServerStatus{
		{Address: "dc1:636", InUse: 2, Idle: 3}, {Address: "dc2:636", Down: true, LastError: "refused"},
	}}
}

func TestBackendsAreMeasured(t *testing.T) {
	m := NewMetrics("v1", "go1")
	m.SetBackends([]BackendInfo{{Name: "corp", Type: "directory", Backend: reporting{}}, {Name: "local", Backend: everyone}})
	observe := m.Operation("corp")
	for range 3 {
		observe(backend.Operation{Server: "dc1:636", Name: "bind", Result: "success", Took: time.Millisecond})
	}
	observe(backend.Operation{Server: "dc2:636", Name: "search", Result: "timeout", Took: time.Second})
	for family, want := range map[string]map[string]float64{
		"gatehouse_backend_degraded":  {"backend=corp": 1},
		"gatehouse_backend_server_up": {"backend=corp server=dc1:636": 1, "backend=corp server=dc2:636": 0},
		"gatehouse_backend_connections": {
			"backend=corp server=dc1:636 state=in_use": 2, "backend=corp server=dc1:636 state=idle": 3,
			"backend=corp server=dc2:636 state=in_use": 0, "backend=corp server=dc2:636 state=idle": 0,
		},
		"gatehouse_backend_operations_total": {
			"backend=corp operation=bind result=success server=dc1:636":   3,
			"backend=corp operation=search result=timeout server=dc2:636": 1,
		},
		"gatehouse_backend_operation_duration_seconds": {
			"backend=corp operation=bind server=dc1:636": 3, "backend=corp operation=search server=dc2:636": 1,
		},
	} {
		if diff := cmp.Diff(want, samples(t, m, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestCachesAreMeasured(t *testing.T) {
	m := NewMetrics("v1", "go1")
	cache, err := backend.NewCache(everyone, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m.SetBackends([]BackendInfo{{Name: "local", Backend: everyone, Cache: cache}})
	for _, user := range []string{"pull", "pull", "pull", "nobody", "nobody"} {
		cache.Authenticate(t.Context(), user, user+"-secret")
	}
	for family, want := range map[string]map[string]float64{
		"gatehouse_cache_requests_total": {
			"backend=local kind=login result=hit": 2, "backend=local kind=login result=miss": 2, "backend=local kind=login result=negative": 1,
		},
		"gatehouse_cache_entries": {"backend=local kind=good_login": 1, "backend=local kind=bad_login": 1},
	} {
		if diff := cmp.Diff(want, risen(samples(t, m, family))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

// lockable is a backend that counts wrong passwords.
type lockable struct{ people }

func (g lockable) Resolve(ctx context.Context, user string) (backend.Identity, error) {
	if _, ok := g.people[user]; !ok {
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return backend.Identity{User: user}, nil
}

func (g lockable) Verify(ctx context.Context, id backend.Identity, password string) (backend.Identity, error) {
	return g.Authenticate(ctx, id.User, password)
}

func TestShieldsAndFloodControlsAreMeasured(t *testing.T) {
	m := NewMetrics("v1", "go1")
	shield, err := backend.NewShield(lockable{everyone}, backend.ShieldConfig{})
	if err != nil {
		t.Fatal(err)
	}
	flood, err := backend.NewFlood(shield, backend.FloodConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m.SetBackends([]BackendInfo{{Name: "corp", Backend: everyone, Shield: shield, Flood: flood}})
	for _, password := range []string{"a", "a", "b", "c"} {
		flood.Authenticate(t.Context(), "pull", password)
	}
	for family, want := range map[string]map[string]float64{
		"gatehouse_shield_passwords_total": {
			"backend=corp result=passed": 2, "backend=corp result=repeated": 1, "backend=corp result=withheld": 1,
		},
		"gatehouse_shield_users":        {"backend=corp state=shielded": 1, "backend=corp state=failed": 1, "backend=corp state=known": 0},
		"gatehouse_flood_refused_total": {"backend=corp limit=source": 0, "backend=corp limit=total": 0},
	} {
		if diff := cmp.Diff(want, samples(t, m, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestHashMemoryIsMeasured(t *testing.T) {
	m := NewMetrics("v1", "go1")
	m.SetHashMemory(func() HashMemoryUse { return HashMemoryUse{Used: 19 << 20, Max: 64 << 20, Waiting: 3} })
	for family, want := range map[string]float64{
		"gatehouse_hash_memory_bytes": 19 << 20, "gatehouse_max_hash_memory_bytes": 64 << 20, "gatehouse_hash_memory_waiting": 3,
	} {
		if diff := cmp.Diff(map[string]float64{"": want}, samples(t, m, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestReloadsAreCounted(t *testing.T) {
	m := NewMetrics("v1", "go1")
	m.Reloaded("0a0000000001", time.Second, nil)
	good := samples(t, m, "gatehouse_config_last_reload_success_timestamp_seconds")[""]
	m.Reloaded("0a0000000001", 2*time.Second, errors.New("bad"))
	for family, want := range map[string]map[string]float64{
		"gatehouse_config_last_reload_successful":                {"": 0},
		"gatehouse_config_last_reload_success_timestamp_seconds": {"": good},
		"gatehouse_config_last_reload_duration_seconds":          {"": 2},
		"gatehouse_config_hash":                                  {"": 0x0a0000000001},
		"gatehouse_config_reloads_total":                         {"result=success": 1, "result=failure": 1},
	} {
		if diff := cmp.Diff(want, samples(t, m, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
	m.Reloaded("0a0000000001", time.Second, nil)
	if got := samples(t, m, "gatehouse_config_last_reload_successful")[""]; got != 1 {
		t.Errorf("after a good reload: %v, want 1", got)
	}
}

func TestConnectionsAndCertificatesAreMeasured(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, func(c *Config) { withTLS(t)(c); c.Metrics = m }, recipeRoute(t, newCapture(t).url()))
	w := tg.dial(t)
	w.send(t, head("GET /v2/ HTTP/1.1"))
	w.answer(t, "GET")
	testkit.Await(t, "the connection is idle", func() bool { return samples(t, m, "gatehouse_connections")["state=idle"] == 1 })
	tg.do(t, "pull", "GET", "/v2/", nil) // which speaks HTTP/2, and hangs up
	states := slices.Sorted(maps.Keys(samples(t, m, "gatehouse_connections")))
	if want := []string{"state=active", "state=handshake", "state=http2", "state=idle"}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	got := samples(t, m, "gatehouse_tls_certificate_not_after_timestamp_seconds")["name=localhost"]
	if left := time.Until(time.Unix(int64(got), 0)); left <= 0 || left > time.Hour {
		t.Errorf("the certificate is said to last for %v, want an hour", left)
	}
}

// What counts a request must not make waste: it is done for each.
func TestCountingARequestAllocatesNothing(t *testing.T) {
	m := NewMetrics("v1", "go1")
	s := &site{metrics: m, routes: []*route{{}}}
	s.measure([]Route{{Path: "/v2/"}})
	x := &exchange{site: s, route: s.routes[0], r: &http.Request{Method: "GET"}, start: time.Now(), status: 200, claimed: "alice"}
	x.count()
	if n := testing.AllocsPerRun(100, x.count); n != 0 {
		t.Errorf("%v allocations for each request, want none", n)
	}
}

func TestStateGoesFromStartingToDraining(t *testing.T) {
	m := NewMetrics("v1", "go1")
	up := newCapture(t)
	g, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{recipeRoute(t, up.url())}, Metrics: m, AccessOut: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Stats().State; got != StateStarting {
		t.Errorf("before Serve: %s", got)
	}
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	testkit.Await(t, "the gateway serves", func() bool { return g.Stats().State == StateServing })
	end()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if got := g.Stats().State; got != StateDraining {
		t.Errorf("after Serve: %s", got)
	}
}

// A backend that panics while it says how it is costs its own figures, and not the
// program.
func TestPanicOfABackendIsAnErrorOfTheScrape(t *testing.T) {
	m := NewMetrics("v1", "go1")
	m.SetBackends([]BackendInfo{{Name: "corp", Backend: panicking{}}})
	families, err := m.Registry().Gather()
	if err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("gather: %v, want an error that names the panic", err)
	}
	if len(families) == 0 {
		t.Error("the other families are gone too")
	}
}

type panicking struct{ backend.Backend }

func (panicking) Status() backend.Status { panic("out of order") }

func TestLastRefusalsAreTheLatestFirstAndNoChallenges(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	for _, r := range []struct{ user, method, path string }{
		{"nobody", "GET", "/v2/"}, {"", "GET", "/v2/"}, {"pull", "PUT", "/v2/a/manifests/1"}, {"pull", "GET", "/x"},
	} {
		tg.do(t, r.user, r.method, r.path, nil)
	}
	var got []string
	for _, r := range tg.LastRefusals(2) {
		got = append(got, string(r.Reason))
	}
	if want := []string{"not_found", "rule"}; !slices.Equal(got, want) {
		t.Errorf("last two refusals: %v, want %v", got, want)
	}
	if n := len(tg.LastRefusals(100)); n != 3 {
		t.Errorf("%d refusals, want 3: a challenge is none", n)
	}
}

func TestTotalsAddUpRoutesMethodsAndStatuses(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t).url()))
	for _, method := range []string{"GET", "GET", "PUT"} {
		tg.do(t, "pull", method, "/v2/app/manifests/1", nil)
	}
	tg.records(t, 3)
	want := Totals{
		Decisions: map[string]uint64{"allowed": 2, "denied": 1, "unauthenticated": 0, "undecided": 0},
		Refusals:  map[string]uint64{"rule": 1},
		Routes:    map[string]map[string]uint64{"/v2/": {"allowed": 2, "denied": 1, "unauthenticated": 0, "undecided": 0}},
		Rules:     map[RouteRule]map[string]uint64{{"/v2/", "pull"}: {"allowed": 2}, {"/v2/", "push"}: {"denied": 1}},
		Durations: Durations{Total: 3},
	}
	testkit.Await(t, "the requests are counted", func() bool { return m.Totals().Durations.Total == 3 })
	got := m.Totals()
	if d := got.Durations; len(d.Bounds) != len(d.Counts) || !slices.IsSorted(d.Bounds) || d.Counts[len(d.Counts)-1] != 3 {
		t.Errorf("got durations %+v, want three that are below the last bound", d)
	}
	got.Durations.Bounds, got.Durations.Counts = nil, nil // of which the clock decides
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
