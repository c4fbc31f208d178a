package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/internal/testkit"
)

// What fails has a code in the access record, in the metric and in the refusal that
// is kept, and none of it in the answer.
func TestCodesOfRequests(t *testing.T) {
	says := func(answer string) string {
		return newUpstreamScript(t, func(c net.Conn, _ *http.Request) bool {
			io.WriteString(c, answer)
			return false
		}).url()
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet()
	defer secure.Close()
	works := newCapture(t).url()
	failing := func(err error) backend.Backend { return broken{err: err} }
	for want, tt := range map[fault.Code]struct {
		upstream      string
		backend       backend.Backend
		authorization string
	}{
		"upstream.tcp.refused":           {upstream: "http://127.0.0.1:1"},
		"upstream.socket.missing":        {upstream: "unix:/absent/registry.sock"},
		"upstream.tls.unknown_authority": {upstream: secure.URL},
		"upstream.tls.not_tls":           {upstream: strings.Replace(works, "http:", "https:", 1)},
		"upstream.tcp.lost":              {upstream: says("")},
		"upstream.answer.invalid":        {upstream: says("HTTP/1.1 200 OK\r\nA\r\n\r\n")},
		"upstream.answer.login":          {upstream: says("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")},
		"login.unknown_user":             {backend: failing(backend.ErrUnknownUser)},
		"login.wrong_password":           {backend: failing(backend.ErrWrongPassword)},
		"login.locked":                   {backend: failing(backend.ErrLocked)},
		"ldap.user.disabled":             {backend: failing(fault.With("ldap.user.disabled", fmt.Errorf("disabled: %w", backend.ErrLocked)))},
		"flood.throttled":                {backend: failing(backend.ErrThrottled)},
		"backend.unavailable":            {backend: failing(fmt.Errorf("x: %w", backend.ErrUnavailable))},
		"backend.panic":                  {backend: failing(fault.With("backend.panic", errors.New("x")))},
		"request.panic":                  {backend: failing(nil)},
		"login.malformed":                {authorization: "Basic ?"},
	} {
		t.Run(string(want), func(t *testing.T) {
			if tt.upstream == "" {
				tt.upstream = works
			}
			route := recipeRoute(t, tt.upstream)
			if tt.backend != nil {
				route.Backend = tt.backend
			}
			m := NewMetrics("v1", "go1")
			tg := startGateway(t, withMetrics(m), route)
			if tt.authorization == "" {
				tt.authorization = basic("pull")
			}
			w := tg.dial(t)
			w.send(t, "GET /v2/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+tt.authorization+"\r\n\r\n")
			resp := w.answer(t, "GET")
			body, _ := io.ReadAll(resp.Body)
			if strings.Contains(string(body), string(want)) {
				t.Errorf("the client is told %s", body)
			}
			if r := tg.records(t, 1)[0]; r["code"] != string(want) {
				t.Errorf("access record: code %v, want %s; cause %v", r["code"], want, r["cause"])
			}
			testkit.Await(t, "the fault to be counted", func() bool {
				return len(risen(samples(t, m, "gatehouse_faults_total"))) > 0
			})
			if got := risen(samples(t, m, "gatehouse_faults_total")); got["code="+string(want)] != 1 || len(got) != 1 {
				t.Errorf("counted %v, want %s once", got, want)
			}
			if kept, _ := tg.Why(resp.Header.Get("X-Request-Id")); kept.Code != want {
				t.Errorf("refusal kept with the code %q, want %s", kept.Code, want)
			}
		})
	}
}

// An answer that breaks off is no refusal, and has a code all the same.
func TestCodeOfAnAnswerThatBreaksOff(t *testing.T) {
	up := newUpstreamScript(t, func(c net.Conn, _ *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234")
		return false
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	w.send(t, "GET /v2/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+basic("pull")+"\r\n\r\n")
	io.Copy(io.Discard, w)
	if r := tg.records(t, 1)[0]; r["code"] != "upstream.answer.broken_off" {
		t.Errorf("access record: code %v; cause %v", r["code"], r["cause"])
	}
}

// broken fails with an error, or panics without one.
type broken struct {
	backend.Backend
	err error
}

func (b broken) Authenticate(context.Context, string, string) (backend.Identity, error) {
	if b.err == nil {
		panic("out of order")
	}
	return backend.Identity{}, b.err
}

// What went well has no code, and what needs no cause is not counted as a fault.
func TestNoCodeWithoutACause(t *testing.T) {
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, withMetrics(m), recipeRoute(t, newCapture(t).url()))
	tg.do(t, "pull", "GET", "/v2/x", nil)
	tg.do(t, "", "GET", "/v2/x", nil)
	for _, r := range tg.records(t, 2) {
		if code, ok := r["code"]; ok != (r["status"] == 401.0) || ok && (code != "login.required" || r["reason"] != "no_credentials") {
			t.Errorf("status %v has the code %v and the reason %v", r["status"], code, r["reason"])
		}
	}
	if got := risen(samples(t, m, "gatehouse_faults_total")); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
	m.CountFault("no.such")
	(*Metrics)(nil).CountFault("file.missing")
	if got := risen(samples(t, m, "gatehouse_faults_total")); len(got) != 0 {
		t.Errorf("counted a code that is not in the catalogue: %v", got)
	}
}
