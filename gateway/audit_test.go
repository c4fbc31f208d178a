package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/backend"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/internal/testkit"
)

func TestContentOfPaths(t *testing.T) {
	const digest = "sha256:0123456789abcdef"
	for path, want := range map[string][3]string{
		"/v2/":                                  {},
		"/v2/_catalog":                          {},
		"/other":                                {},
		"/v2/manifests/1":                       {},
		"/v2/app/manifests/1.0":                 {"app", "1.0", ""},
		"/v2/team/app/manifests/" + digest:      {"team/app", "", digest},
		"/v2/team/app/blobs/" + digest:          {"team/app", "", digest},
		"/v2/team/app/blobs/uploads/":           {"team/app", "", ""},
		"/v2/team/app/blobs/uploads/4f2-a":      {"team/app", "", ""},
		"/v2/team/app/tags/list":                {"team/app", "", ""},
		"/v2/team/app/referrers/" + digest:      {"team/app", "", digest},
		"/v2/manifests/manifests/manifests":     {"manifests", "manifests", ""},
		"/v2/a/blobs/b/manifests/1":             {"a/blobs/b", "1", ""},
		"/v2/team/app/manifests/sha256:no hash": {"team/app", "sha256:no hash", ""},
	} {
		e := oci.Parse(oci.DefaultRoot, path)
		if got := [3]string{e.Repository, e.Tag(), e.Digest()}; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// auditOf returns a log of decisions in a file that is not there yet.
func auditOf(t *testing.T) (a *record.AuditLog, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	return openTestAudit(t, path), path
}

func openTestAudit(t *testing.T, path string) *record.AuditLog {
	t.Helper()
	a, err := record.OpenAuditLog(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// audited waits for n records in a file and returns them.
func audited(t *testing.T, path string, n int) []record.Decision {
	t.Helper()
	var text []byte
	testkit.Await(t, fmt.Sprintf("%s has %d records", path, n), func() bool {
		text, _ = os.ReadFile(path)
		return bytes.Count(text, []byte("\n")) >= n
	})
	var records []record.Decision
	for line := range strings.Lines(string(text)) {
		var r record.Decision
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		records = append(records, r)
	}
	if len(records) != n {
		t.Fatalf("%s has %d records, want %d", path, len(records), n)
	}
	return records
}

func TestAuditSaysWhatWasDecided(t *testing.T) {
	const said = "sha256:00aa"
	up := newCapture(t, "HTTP/1.1 201 Created\r\nDocker-Content-Digest: "+said+"\r\nContent-Length: 2\r\n\r\nok")
	log, path := auditOf(t)
	tg := startGateway(t, func(c *Config) { c.Audit = log }, recipeRoute(t, up.url()))
	for _, r := range []string{
		head("PUT /v2/team/app/manifests/1.0 HTTP/1.1", "Content-Length: 4") + "body",
		"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + basicOf("push:CANARY-PW-7f3") + "\r\n\r\n",
		"DELETE /v2/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + basic("pull") + "\r\n\r\n",
		"GET /v2/../x HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		w := tg.dial(t)
		io.WriteString(w, r)
		w.answer(t, "GET")
		w.Close()
	}
	got := audited(t, path, 6)
	want := []record.Decision{
		{User: "push", Via: "password", Groups: []string{"pusher"}, Method: "PUT", Host: "localhost", Path: "/v2/team/app/manifests/1.0", Action: "push", Repository: "team/app", Tag: "1.0", Digest: said, Rule: "push", Decision: outcomeAllowed, Status: 201, Received: 4},
		{Method: "GET", Host: "localhost", Path: "/v2/", Action: "login", Rule: "pull", Decision: outcomeUnauthenticated, Status: 401, Code: "login.required", Reason: "no_credentials"},
		{Claimed: "push", Method: "GET", Host: "localhost", Path: "/v2/", Action: "login", Rule: "pull", Decision: outcomeUnauthenticated, Status: 401, Code: "login.wrong_password", Reason: "wrong_password"},
		{User: "pull", Via: "password", Method: "DELETE", Host: "localhost", Path: "/v2/x", Rule: "push", Decision: outcomeDenied, Status: 403, Code: "rule.denied", Reason: "rule"},
		{Method: "GET", Path: "/v2/../x", Decision: outcomeInvalid, Status: 400, Code: "request.malformed", Reason: "bad_request"},
		{Method: "GET", Host: "localhost", Path: "/other", Decision: outcomeInvalid, Status: 404, Code: "route.none", Reason: "not_found"},
	}
	varying := cmpopts.IgnoreFields(record.Decision{}, "Time", "ID", "Source", "Backend", "Cache", "Bytes")
	if diff := cmp.Diff(want, got, varying); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got[0].Bytes != 2 || got[1].Bytes == 0 {
		t.Errorf("bytes of answers: got %d and %d, want 2 and those of the refusal", got[0].Bytes, got[1].Bytes)
	}
	for _, r := range got {
		if len(r.ID) != 8 || r.Source != "127.0.0.1" || r.Time.IsZero() {
			t.Errorf("got id %q, source %q, time %v", r.ID, r.Source, r.Time)
		}
	}
	if text, _ := os.ReadFile(path); bytes.Contains(text, []byte("CANARY")) {
		t.Errorf("a password is in the audit log:\n%s", text)
	}
}

// A rule lets the request itself pass, and what it would take from another repository
// keeps it from being passed on: it was not allowed.
func TestAuditOfARefusedMount(t *testing.T) {
	log, path := auditOf(t)
	route := recipeRoute(t, newCapture(t).url())
	route.Rules = []rules.Rule{
		{Name: "open", Methods: []string{"POST"}, Require: mustRequire(t, "all granted")},
		{Name: "pull", Methods: []string{"GET"}, Require: mustRequire(t, "valid-user")},
	}
	tg := startGateway(t, func(c *Config) { c.Audit = log }, route)
	for _, query := range []string{"?mount=" + layer + "&from=team/other", "?mount=none&from=team/other"} {
		tg.raw(t, "POST /v2/team/app/blobs/uploads/"+query+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	got := audited(t, path, 2)
	if got[0].Status != http.StatusUnauthorized || got[0].Decision != outcomeUnauthenticated {
		t.Errorf("a mount that needs a login: %d, %s", got[0].Status, got[0].Decision)
	}
	if got[1].Status != http.StatusBadRequest || got[1].Decision != outcomeInvalid {
		t.Errorf("a mount of no digest: %d, %s", got[1].Status, got[1].Decision)
	}
}

func TestAuditIsOneLineWhateverIsSent(t *testing.T) {
	log, path := auditOf(t)
	tg := startGateway(t, func(c *Config) { c.Audit = log }, recipeRoute(t, newCapture(t).url()))
	requests := []string{
		"GET /v2/\x1b[2J\"\r\nHost: localhost\r\n\r\n",
		"GET /v2/x%E2%80%A8y HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + basicOf("b\"o\\b:pw") + "\r\n\r\n",
		"GET /" + strings.Repeat("\"", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
	}
	for _, r := range requests {
		w := tg.dial(t)
		go io.WriteString(w, r)
		w.answer(t, "GET")
		w.Close()
	}
	audited(t, path, len(requests))
	text, _ := os.ReadFile(path)
	if bytes.ContainsAny(text, "\x1b\r\x00\u2028") || len(text) > len(requests)*7*6*record.MaxText {
		t.Errorf("got %d bytes: %.300q", len(text), text)
	}
}

// A disk that is full neither stops requests nor makes records vanish unsaid; with
// AuditRequired nothing passes that could not be recorded.
func TestFullAuditLog(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatal(err)
	}
	for _, required := range []bool{false, true} {
		t.Run(fmt.Sprint("required ", required), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			if err := os.Symlink("/dev/full", path); err != nil {
				t.Fatal(err)
			}
			up := newCapture(t)
			log := openTestAudit(t, path)
			tg := startGateway(t, func(c *Config) { c.Audit, c.AuditRequired = log, required }, recipeRoute(t, up.url()))
			ask := func() int {
				w := tg.dial(t)
				defer w.Close()
				io.WriteString(w, head("GET /v2/x HTTP/1.1"))
				return w.answer(t, "GET").StatusCode
			}
			ask() // after which it is known that the disk is full
			testkit.Await(t, "the log is known to be full", func() bool { return log.Err() != nil })
			want := http.StatusOK
			if required {
				want = http.StatusServiceUnavailable
			}
			if got := ask(); got != want {
				t.Errorf("with a full audit log: got %d, want %d", got, want)
			}
			os.Remove(path)
			if err := log.Reopen(); err != nil {
				t.Fatal(err)
			}
			testkit.Await(t, "records are written again", func() bool { return log.Err() == nil })
			if got := ask(); got != http.StatusOK {
				t.Errorf("with the disk free again: got %d, want 200", got)
			}
			decision := map[bool]string{false: outcomeAllowed, true: outcomeDenied}[required]
			if records := audited(t, path, 3); records[0].Status != 200 || records[1].Status != want || records[1].Decision != decision {
				t.Errorf("records that waited: got %+v", records)
			}
		})
	}
}

// Requests that run for hours, such as the upload of a large layer, must not use up
// what is promised to the records of others.
func TestManyRequestsRunWhereRecordsAreRequired(t *testing.T) {
	const requests = 300
	log, path := auditOf(t)
	released := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer up.Close()
	tg := startGateway(t, func(c *Config) { c.Audit, c.AuditRequired = log, true }, recipeRoute(t, up.URL))
	var clients []*wire
	for range requests {
		w := tg.dial(t)
		defer w.Close()
		io.WriteString(w, head("GET /v2/team/app/manifests/1 HTTP/1.1"))
		clients = append(clients, w)
	}
	close(released)
	for _, w := range clients {
		if got := w.answer(t, "GET").StatusCode; got != http.StatusOK {
			t.Fatalf("with %d requests at once: got %d, want 200", requests, got)
		}
	}
	audited(t, path, requests)
	if !log.Reserve(record.MaxAuditBytes) {
		t.Error("some bytes are still promised")
	}
}

// The digest is what the upstream says that there is, within bounds.
func TestAuditTakesTheDigestOfTheUpstream(t *testing.T) {
	const asked, said = "sha256:00aa", "sha256:00bb"
	for answer, want := range map[string]string{said: said, "": asked, "no digest": asked, "sha256:" + strings.Repeat("0", 1<<10): asked} {
		up := newCapture(t, "HTTP/1.1 200 OK\r\nDocker-Content-Digest: "+answer+"\r\nContent-Length: 0\r\n\r\n")
		log, path := auditOf(t)
		tg := startGateway(t, func(c *Config) { c.Audit = log }, recipeRoute(t, up.url()))
		w := tg.dial(t)
		io.WriteString(w, head("GET /v2/team/app/manifests/"+asked+" HTTP/1.1"))
		w.answer(t, "GET")
		w.Close()
		if got := audited(t, path, 1)[0].Digest; got != want {
			t.Errorf("the upstream says %.20q: got %q, want %q", answer, got, want)
		}
	}
}

// A reload that goes to another audit log does not hide what the one before it lost,
// nor that the new one loses records.
func TestLostRecordsAreCountedOverReloads(t *testing.T) {
	lossy := func() *record.AuditLog {
		a, _ := auditOf(t)
		a.Write(make([]byte, record.MaxAuditBytes+1), 0)
		return a
	}
	route := recipeRoute(t, newCapture(t).url())
	tg := startGateway(t, func(c *Config) { c.Audit = lossy() }, route)
	for i, step := range []struct {
		audit *record.AuditLog
		want  uint64
	}{{nil, 1}, {lossy(), 2}, {nil, 2}, {lossy(), 3}} {
		cfg := tg.cfg
		cfg.Audit = step.audit
		if err := tg.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if got := tg.Stats().AuditDropped; got != step.want {
			t.Errorf("after reload %d: %d lost records, want %d", i, got, step.want)
		}
	}
}

// expiring vouches for users whose passwords expire at a time.
type expiring struct {
	people
	end string
}

func (e expiring) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	id, err := e.people.Authenticate(ctx, user, password)
	id.Expires = e.end
	return id, err
}

func TestAuditSaysThatAPasswordExpires(t *testing.T) {
	for end, want := range map[string]bool{
		"": false, time.Now().Add(time.Hour).UTC().Format(time.RFC3339): true, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): false,
	} {
		log, path := auditOf(t)
		route := recipeRoute(t, newCapture(t).url())
		route.Backend = expiring{everyone, end}
		tg := startGateway(t, func(c *Config) { c.Audit = log }, route)
		tg.do(t, "pull", "GET", "/v2/x", nil)
		if got := audited(t, path, 1)[0].ExpiresIn; (got > 0) != want || got > 3600 {
			t.Errorf("end %q: got %d s, want some: %v", end, got, want)
		}
	}
}
