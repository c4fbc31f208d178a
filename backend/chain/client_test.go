package chain_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/chain"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// interchangeable is a Backend that another can take the place of.
type interchangeable struct {
	atomic.Pointer[chain.Backend]
}

func (b *interchangeable) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	return b.Load().Authenticate(ctx, user, password)
}

func (b *interchangeable) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	return b.Load().Groups(ctx, id)
}

// serve starts a gateway that asks b, in front of a service that takes everything,
// and returns its address.
func serve(t *testing.T, b backend.Backend) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(service.Close)
	require := func(item string) rules.Requirement {
		r, err := rules.ParseRequire([]any{item})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	g, err := gateway.New(gateway.Config{
		Listen: []string{"127.0.0.1:0"}, AccessLog: "off", AccessOut: io.Discard,
		Routes: []gateway.Route{{
			Path: "/v2/", Backend: b, Upstream: upstream.Config{URL: service.URL},
			Rules: []rules.Rule{
				{Name: "pull", Methods: []string{"GET"}, Require: require("valid-user")},
				{Name: "push", Require: require("group pusher")},
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + g.Addrs()[0].String()
}

// seen is what a client can tell an answer by.
type seen struct {
	status     int
	retryAfter bool
	rest       string // headers and body, without what is different every time
}

func ask(t *testing.T, client *http.Client, method, url string) seen {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+"/v2/team/app/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", "password")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	retry := resp.Header.Get("Retry-After") != ""
	resp.Header.Del("Date")
	resp.Header.Del("X-Request-Id")
	return seen{resp.StatusCode, retry, fmt.Sprintf("%v\n%s", resp.Header, body)}
}

// clientSees is the status for each answer of a chain.
var clientSees = map[answer]int{
	vouches:     http.StatusOK,
	unknown:     http.StatusUnauthorized,
	wrong:       http.StatusUnauthorized,
	locked:      http.StatusUnauthorized,
	unavailable: http.StatusServiceUnavailable,
	fault:       http.StatusServiceUnavailable,
}

// Every chain of one or two members, as a client sees it: one kind of refusal,
// whatever was known of the user and wherever, and 503 for what is no answer.
func TestClientsSeeRefusalsAndOutagesApart(t *testing.T) {
	var b interchangeable
	url, client := serve(t, &b), &http.Client{}
	defer client.CloseIdleConnections()
	var refusal string
	check := func(links []link) {
		var c chain.Config
		for i, l := range links {
			c.Members = append(c.Members, member{fmt.Sprint("m", i), &stub{err: l.says.error()}, l.onWrong, l.onUnavailableNext})
		}
		b.Store(mustChain(t, c))
		got := ask(t, client, "GET", url)
		want := clientSees[expected(links).answer]
		if got.status != want || got.retryAfter != (want == http.StatusServiceUnavailable) {
			t.Errorf("%v: got %d, Retry-After %t, want %d", links, got.status, got.retryAfter, want)
		}
		if want == http.StatusUnauthorized && refusal == "" {
			refusal = got.rest
		}
		if want == http.StatusUnauthorized && got.rest != refusal {
			t.Errorf("%v: a refusal can be told from another:\n%s\n%s", links, got.rest, refusal)
		}
		if strings.Contains(got.rest, "said by a member") {
			t.Errorf("%v: the client is told a cause: %s", links, got.rest)
		}
	}
	for i := range len(answers) * 4 {
		first := link{answer(answers[i/4]), i&1 > 0, i&2 > 0}
		check([]link{first})
		for j := range len(answers) * 4 {
			check([]link{first, {answer(answers[j/4]), j&1 > 0, j&2 > 0}})
		}
	}
}

// Who is in which group decides about a push. That one of those who know cannot be
// asked is no reason for a 403, after which nobody would try again.
func TestClientsSeeGroupsThatCannotBeHadAsAnOutage(t *testing.T) {
	for _, tt := range []struct {
		name       string
		own, extra stub
		want       int
	}{
		{"own", stub{groups: []string{"pusher"}}, stub{}, http.StatusOK},
		{"extra", stub{}, stub{groups: []string{"pusher"}}, http.StatusOK},
		{"neither", stub{groups: []string{"a"}}, stub{groups: []string{"b"}}, http.StatusForbidden},
		{"own unavailable", stub{down: backend.ErrUnavailable}, stub{groups: []string{"pusher"}}, http.StatusServiceUnavailable},
		{"extra unavailable", stub{groups: []string{"pusher"}}, stub{down: backend.ErrUnavailable}, http.StatusServiceUnavailable},
		{"extra faulty", stub{groups: []string{"pusher"}}, stub{down: errFault}, http.StatusServiceUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := mustChain(t, chain.Config{
				Members:     []member{{Name: "corp", Backend: &tt.own}},
				ExtraGroups: []lender{{"files", &tt.extra}},
			})
			client := &http.Client{}
			defer client.CloseIdleConnections()
			if got := ask(t, client, "PUT", serve(t, b)); got.status != tt.want {
				t.Errorf("got %d, want %d: %s", got.status, tt.want, got.rest)
			}
		})
	}
}
