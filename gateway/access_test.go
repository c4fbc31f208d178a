package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/record"
	"gatehouse/internal/testkit"
)

// hostile is what tries to end a line of a log, or to steer a terminal.
const hostile = "a\"b\\c\x1b[2Jd\u2028e%n"

func TestAccessRecordIsOneLineWhateverIsSent(t *testing.T) {
	for _, form := range []string{record.JSON, record.Common, record.Combined} {
		tg := startGateway(t, func(c *Config) { c.AccessLog = form }, recipeRoute(t, newCapture(t).url()))
		requests := []string{
			head("GET /v2/ HTTP/1.1", "User-Agent: "+strings.ReplaceAll(hostile, "\x1b", ""), "Referer: x\"y"),
			"GET /v2/\x1b[2J\"\r\nHost: localhost\r\n\r\n",
			"GET /v2/\rforged HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /" + strings.Repeat("\"", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + strings.Repeat("u", 30<<10) + "\r\nAuthorization: " + basicOf("b\"o\\b:pw") + "\r\n\r\n",
		}
		for _, r := range requests {
			w := tg.dial(t)
			go io.WriteString(w, r)
			w.answer(t, "GET")
			w.Close()
		}
		testkit.Await(t, "all is recorded", func() bool { return strings.Count(tg.access.String(), "\n") >= len(requests) })
		lines := strings.Split(strings.TrimSuffix(tg.access.String(), "\n"), "\n")
		if len(lines) != len(requests) {
			t.Errorf("%s: %d lines for %d requests:\n%.2000q", form, len(lines), len(requests), lines)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\x1b\r\x00\u2028") || len(line) > 16<<10 {
				t.Errorf("%s: %.300q", form, line)
			}
			if form == record.JSON && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %.300q", line)
			}
		}
	}
}

func TestNoLogHasCredentials(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	for i, r := range []string{
		head("GET /v2/ HTTP/1.1"),
		head("GET /v2/ HTTP/1.1", "A: \x00"),
		head("TRACE /v2/ HTTP/1.1"),
		"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + basicOf("alice:CANARY-PW-7f3") + "\r\n\r\n",
		"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: CANARY-PW-7f3\r\n\r\n",
		head("GET /v2/ HTTP/1.1", "Authorization: "+basicOf("alice:CANARY-PW-7f3")),
		head("PUT /v2/x HTTP/1.1", "Transfer-Encoding: chunked") + "nonsense",
	} {
		w := tg.dial(t)
		w.send(t, r)
		io.ReadAtLeast(w, make([]byte, 1), 1)
		w.Close()
		testkit.Await(t, "the request is recorded", func() bool { return strings.Count(tg.access.String(), "\n") > i })
	}
	all := tg.access.String() + tg.log.String()
	secrets := []string{"CANARY-PW-7f3", strings.TrimPrefix(basic("push"), "Basic "), "push-secret", strings.TrimPrefix(basicOf("alice:CANARY-PW-7f3"), "Basic ")}
	for _, secret := range secrets {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in a log:\n%s", secret, all)
		}
	}
}

// A head that begins with a field is no request line, and the field may hold a
// password.
func TestFirstLineWithCredentialsIsNotLogged(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newUpstreamLog(t, nil).URL))
	if resp := tg.get1(t, "Authorization: "+basic("push")+"\r\nHost: localhost\r\n\r\n"); resp.StatusCode != 400 {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
	tg.records(t, 1)
	if all := tg.access.String() + tg.log.String(); strings.Contains(all, strings.TrimPrefix(basic("push"), "Basic ")) {
		t.Errorf("logged %s", all)
	}
}

func TestApacheFormats(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", -7*3600))
	for _, tt := range []struct {
		form    string
		target  string
		user    string
		sent    int64
		referer string
		agent   string
		want    string
	}{
		{record.Common, "/v2/", "", 0, "", "", `192.0.2.1 - - [04/Mar/2026:05:06:07 -0700] "GET /v2/ HTTP/1.1" 200 -`},
		{record.Common, "/v2/", "alice", 12, "", "", `192.0.2.1 - alice [04/Mar/2026:05:06:07 -0700] "GET /v2/ HTTP/1.1" 200 12`},
		{record.Combined, "/v2/?a=b", "alice", 12, "", "docker/20.10", `192.0.2.1 - alice [04/Mar/2026:05:06:07 -0700] "GET /v2/?a=b HTTP/1.1" 200 12 "-" "docker/20.10"`},
		{record.Combined, `/"\`, "a b", 1, "http://x/", "\b\t\n\v\f\r\x1b\x7f\xe9\"\\",
			`192.0.2.1 - a\x20b [04/Mar/2026:05:06:07 -0700] "GET /\"\\ HTTP/1.1" 200 1 "http://x/" "\b\t\n\v\x0c\r\x1b\x7f\xe9\"\\"`},
		{record.Common, "http://u:secret@h/", "-", 1, "", "", `192.0.2.1 - \x2d [04/Mar/2026:05:06:07 -0700] "GET http://[redacted]@h/ HTTP/1.1" 200 1`},
		{record.Combined, "/", `x [01/Jan/2026:00:00:00 +0000] "GET /`, 1, "https://u:secret@h/", "",
			`192.0.2.1 - x\x20\x5b01/Jan/2026:00:00:00\x20+0000\x5d\x20\"GET\x20/ [04/Mar/2026:05:06:07 -0700] "GET / HTTP/1.1" 200 1 "https://[redacted]@h/" "-"`},
		{record.Combined, "/", "", 1, "", "agent https://u:secret@h/", `192.0.2.1 - - [04/Mar/2026:05:06:07 -0700] "GET / HTTP/1.1" 200 1 "-" "agent https://[redacted]@h/"`},
	} {
		var out bytes.Buffer
		log, err := record.NewAccessLog(tt.form, &out)
		if err != nil {
			t.Fatal(err)
		}
		r := newRequest("GET", tt.target)
		r.Header.Set("Referer", tt.referer)
		r.Header.Set("User-Agent", tt.agent)
		x := &exchange{site: &site{access: log}, ctx: t.Context(), r: r, entry: entry{from: origin{text: "192.0.2.1"}}, start: start, claimed: tt.user, status: 200, sent: tt.sent}
		x.recordAccess()
		if got := out.String(); got != tt.want+"\n" {
			t.Errorf("got  %swant %s", got, tt.want)
		}
	}
	if _, err := record.NewAccessLog("xml", io.Discard); err == nil {
		t.Error("an unknown form was taken")
	}
}

func TestAccessRecordSaysWhatHappened(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	tg.do(t, "pull", "GET", "/v2/app/tags/list?n=1", nil)
	got := tg.records(t, 1)[0]
	if !regexp.MustCompile(`^[0-9A-Z]{8}$`).MatchString(fmt.Sprint(got["id"])) {
		t.Errorf("id %v", got["id"])
	}
	for name, want := range map[string]any{
		"msg": "request", "level": "INFO", "source": "127.0.0.1", "user": "pull", "backend": "people", "method": "GET", "host": tg.addr,
		"target": "/v2/app/tags/list?n=1", "proto": "HTTP/1.1", "rule": "pull", "status": 200.0, "bytes": 5.0, "user_agent": "Go-http-client/1.1",
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
}

// A log that nobody reads costs records, not requests.
func TestBlockedAccessLogHoldsUpNoRequest(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	tg := startGateway(t, func(c *Config) { c.AccessOut = w }, recipeRoute(t, newCapture(t).url()))
	for range 20 {
		if got := tg.do(t, "pull", "GET", "/v2/", nil).StatusCode; got != 200 {
			t.Errorf("status %d", got)
		}
	}
	go io.Copy(io.Discard, r)
}

// The forms of Apache have no place for the reason of a 503, and an administrator
// needs it.
func TestCausesAreLoggedWhereTheAccessRecordHasNone(t *testing.T) {
	for form, logged := range map[string]bool{record.JSON: false, record.Common: true, record.Combined: true, record.Off: true} {
		t.Run(form, func(t *testing.T) {
			tg := startGateway(t, func(c *Config) { c.AccessLog = form }, recipeRoute(t, "http://127.0.0.1:1"))
			for _, r := range []string{
				head("GET /v2/ HTTP/1.1"),
				head("GET /v2/ HTTP/1.1", "Authorization: twice"),
				"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + basicOf("push:wrong") + "\r\n\r\n",
			} {
				w := tg.dial(t)
				go io.WriteString(w, r)
				w.answer(t, "GET")
				w.Close()
			}
			tg.end()
			tg.served <- <-tg.served // by now all is recorded
			want := 0
			if logged {
				want = 1
			}
			text := tg.log.String()
			if got := strings.Count(text, "request failed"); got != want || logged && !strings.Contains(text, "status=503") {
				t.Errorf("got %d causes, want %d, of the 503:\n%s", got, want, text)
			}
		})
	}
}
