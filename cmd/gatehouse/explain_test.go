package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/cmd/gatehouse/explain"
)

// inWorld changes into a folder with the configuration of testdata/explain.
func inWorld(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join(workspace(t), "explain"))
}

// invoke runs a command line of words, of which "" is an empty one and others may
// stand in double quotes.
func invoke(t *testing.T, line string) (code int, stdout, stderr string) {
	t.Helper()
	var args []string
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
		args = append(args, strings.Trim(word, `"`))
	}
	var out, diagnostics strings.Builder
	code = run(t.Context(), args, stdio{strings.NewReader(""), &out, &diagnostics})
	return code, out.String(), diagnostics.String()
}

// What the commands print is written down in a transcript. To write it anew:
//
//	go test ./cmd/gatehouse -run TestTranscript -update
func TestTranscriptOfExplanations(t *testing.T) {
	path, err := filepath.Abs("testdata/explain/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t)
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		question, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		code, stdout, stderr := invoke(t, question)
		fmt.Fprintf(&got, "%s%s%s= %d\n\n", line, stdout, stderr, code)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// running is a gateway that serves the configuration of the folder, with an
// upstream that says yes to everything, and has no repositories.
type running struct{ *daemon }

func startRunning(t *testing.T) running {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/_catalog" {
			io.WriteString(w, `{"repositories":[]}`)
		}
	}))
	t.Cleanup(upstream.Close)
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), "http://127.0.0.1:1", upstream.URL))
	if err := os.WriteFile("config.toml", text, 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Document, error) { return loadConfig("config.toml", nil) }
	d, err := newDaemon(configSource{name: "config.toml", file: "config.toml", load: load}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	stopAdmin, err := d.startAdmin()
	if err := errors.Join(err, d.gateway.Listen()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, end := context.WithCancel(context.Background())
	go func() { served <- d.gateway.Serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
		stopAdmin()
		d.close()
	})
	return running{d}
}

// asks sends a request and returns the status, the id and the message of the answer.
func (g running) asks(t *testing.T, user, method, target string) (status int, id, message string) {
	t.Helper()
	c, err := net.Dial("tcp", g.gateway.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n", method, target)
	if user != "" {
		fmt.Fprintf(c, "Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(user+":secret")))
	}
	io.WriteString(c, "\r\n")
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("%s %s: answer %q", method, target, answer)
	}
	var said struct{ Errors []struct{ Message string } }
	if json.Unmarshal([]byte(body), &said) == nil && len(said.Errors) == 1 {
		message = said.Errors[0].Message
	}
	if m := regexp.MustCompile(`(?i)X-Request-Id: (\S+)`).FindStringSubmatch(head); m != nil {
		id = m[1]
	}
	return status, id, message
}

// The gateway and explain read one configuration and say the same of every request:
// the differential test of the words that administrators are told.
func TestExplainSaysWhatTheGatewayDoes(t *testing.T) {
	inWorld(t)
	g := startRunning(t)
	targets := []string{
		"/v2/", "/v2/_catalog", "/v2/team/app/manifests/1", "/v2/team/app/blobs/uploads/?mount=sha256:ab&from=closed/x",
		"/v2/mirror/a/b/blobs/uploads/", "/v2/closed/x", "/v2/x/../y", "/other/x", "/nothing",
	}
	for _, user := range []string{"", "bob", "alice", "ci-bot", "eve"} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "FOO"} {
			for _, target := range targets {
				want, id, message := g.asks(t, user, method, target)
				line := "explain -o json " + method + " " + target
				if user != "" {
					line += " --live --user " + user
				}
				code, stdout, stderr := invoke(t, line+" --host localhost")
				var got explain.Result
				if err := json.Unmarshal([]byte(stdout), &got); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, stderr)
				}
				e := got.Requests[0]
				if passes := e.Status == 0 && want < 300; !passes && e.Status != want || (code == 0) != (want < 300) {
					t.Errorf("%s: status %d and exit code %d, and the gateway answers %d", line, e.Status, code, want)
				}
				if e.Signed {
					e.Message += " (id " + id + ")"
				}
				if message != "" && e.Message != message {
					t.Errorf("%s: message %q, and the gateway says %q", line, e.Message, message)
				}
			}
		}
	}
}

func TestWhyFollowsTheIDOfARefusedPush(t *testing.T) {
	inWorld(t)
	g := startRunning(t)
	status, id, message := g.asks(t, "bob", "POST", "/v2/team/app/blobs/uploads/")
	if status != 403 || !strings.HasSuffix(message, "(id "+id+")") {
		t.Fatalf("answer %d, id %q: %s", status, id, message)
	}
	code, stdout, stderr := invoke(t, `why "(id `+strings.ToLower(id)+`)"`)
	for _, want := range []string{
		"id " + id + ", ", "reason rule\n",
		"POST /v2/team/app/blobs/uploads/ by bob (backend local; groups interns) from 127.0.0.1: DENIED\n",
		`rule "push" (config.toml:`, "add bob to the group pusher\n",
		`client sees  403 Forbidden, denied: ` + message + "\n",
	} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, want %q in\n%s%s", code, want, stdout, stderr)
		}
	}
	var asJSON explain.Refusal
	code, stdout, _ = invoke(t, "why -o json "+id)
	if err := json.Unmarshal([]byte(stdout), &asJSON); err != nil || code != 0 || asJSON.ID != id || asJSON.Request.Rule != "push" || asJSON.Request.Verdict != explain.Deny {
		t.Errorf("as JSON: exit code %d, %v\n%s", code, err, stdout)
	}
}

func TestWhyTellsWhatWentWrong(t *testing.T) {
	inWorld(t)
	g := startRunning(t)
	_, id, _ := g.asks(t, "eve", "GET", "/v2/")
	_, stdout, _ := invoke(t, "why "+id)
	for _, want := range []string{"reason unknown_user", `by nobody (who sent the name "eve")`, `backend "local": `, "401 Unauthorized, unauthorized: please log in"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("want %q in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "secret") {
		t.Errorf("the password of the login is in\n%s", stdout)
	}
}

func TestWhyExitCodes(t *testing.T) {
	inWorld(t)
	startRunning(t)
	for _, tt := range []struct {
		line string
		code int
		want string
	}{
		{"why ZZZZZZZZ", 1, "keeps no refusal with the id ZZZZZZZZ"},
		{"why ZZZZZZZZ --socket admin.sock --config absent.toml", 1, "keeps no refusal"},
		{"why ../metrics", 1, "keeps no refusal"},
		{"why ZZZZZZZZ --socket absent", 4, "is it running"},
		{"why ZZZZZZZZ --config ../good/minimal.toml", 2, "give --socket"},
		{"why ZZZZZZZZ --config absent.toml", 2, "absent.toml"},
		{`why ""`, 2, "the id is empty"},
		{"why", 2, "accepts 1 arg"},
	} {
		if code, stdout, stderr := invoke(t, tt.line); code != tt.code || !strings.Contains(stderr, tt.want) || stdout != "" {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", tt.line, code, tt.code, tt.want, stdout, stderr)
		}
	}
}

// The shape of the JSON is an interface: a key that is gone or means another thing
// breaks what others have written.
func TestJSONOfExplainKeepsItsShape(t *testing.T) {
	inWorld(t)
	_, stdout, stderr := invoke(t, "explain -o json --user bob --group devs PUT /v2/team/app/manifests/1")
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	request := got["requests"].([]any)[0].(map[string]any)
	rule := request["rules"].([]any)[2].(map[string]any)
	for _, tt := range []struct {
		of   map[string]any
		key  string
		want any
	}{
		{got, "config", "./config.toml"}, {got, "question", "PUT /v2/team/app/manifests/1"}, {got, "verdict", "deny"},
		{request, "method", "PUT"}, {request, "target", "/v2/team/app/manifests/1"}, {request, "host", "localhost"}, {request, "from", "127.0.0.1"},
		{request, "user", map[string]any{"name": "bob", "backend": "local", "groups_known": true, "groups": []any{"devs"}}},
		{request, "verdict", "deny"}, {request, "status", 403.0}, {request, "code", "DENIED"}, {request, "signed", true},
		{request, "rule", "push"}, {request, "rule_at", "./config.toml:37"}, {request, "requires", "group pusher or (user ci-bot and ip 10.0.0.0/8)"},
		{rule, "name", "push"}, {rule, "at", "./config.toml:37"}, {rule, "method_matches", true}, {rule, "path_matches", true}, {rule, "decides", true},
	} {
		if diff := cmp.Diff(tt.want, tt.of[tt.key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.key, diff)
		}
	}
}

// Who asks about rules need not be able to read the key of the certificate, nor
// know the flags that the gateway is started with.
func TestExplainNeedsTheRulesAlone(t *testing.T) {
	inWorld(t)
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(from, to string) {
		if err := os.WriteFile("config.toml", []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`listen = ["127.0.0.1:0"]`, "listen = [\":0\"]\ntls = { cert_file = \"absent\", key_file = \"absent\" }")
	code, stdout, stderr := invoke(t, "can-i pull team/app --as bob")
	if code != 0 || !strings.HasPrefix(stdout, "yes: ") || !strings.HasPrefix(stderr, "warning: apart from the rules, this configuration has 2 errors;") {
		t.Errorf("without the certificate: exit code %d\n%s%s", code, stdout, stderr)
	}
	for from, to := range map[string]string{
		`require = ["valid-user"]`:   `require = ["valid-usr"]`,
		`users_file = "local-users"`: `users_file = "absent"`,
		`name = "pull"`:              `name = "pull"` + "\n  pahts = []",
		`path = "/v2/"`:              `path = "/v2/../"`,
	} {
		write(from, to)
		if code, stdout, stderr := invoke(t, "can-i pull team/app --as bob"); code != 2 || stdout != "" || !strings.Contains(stderr, "config.toml:") {
			t.Errorf("with %s: exit code %d, want 2 with the place\n%s%s", to, code, stdout, stderr)
		}
	}
}
