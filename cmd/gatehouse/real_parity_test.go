package main_test

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"gatehouse/internal/testkit"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEveryDifferenceFromApacheIsExplained sends the same bytes to Apache with
// the recipe's configuration and to gatehouse with the same certificate, files
// and upstream. What an administrator or a client could notice is compared, and
// each difference must be one that the table of differences gives a reason for.
func TestEveryDifferenceFromApacheIsExplained(t *testing.T) {
	needs(t, "apache2")
	r := newRecipe(t)
	copyFile(t, "testdata/parity.htpasswd", r.usersFile)
	copyFile(t, "testdata/parity.groups", r.groupsFile)
	upstream := startEcho(t)
	apache := r.apache(t, upstream.URL)
	config := filepath.Join(r.dir, "parity.toml")
	writeFile(t, config, []byte(strings.NewReplacer("@UPSTREAM@", upstream.URL, "@USERS@", r.usersFile, "@GROUPS@", r.groupsFile).Replace(parityConfig)), 0o644)
	gatehouse := r.serve(t, "--config", config)

	trials := allTrials()
	checkNames(t, trials)
	if len(trials) < 100 {
		t.Errorf("only %d requests", len(trials))
	}
	uses := map[string]int{} // of each change of each reason
	for _, trial := range trials {
		patienceWithApache := patience
		if trial.silent {
			patienceWithApache = 2 * time.Second
		}
		a := upstream.observe(t, apache, trial, patienceWithApache)
		g := upstream.observe(t, gatehouse, trial, patience)
		for _, d := range compare(trial, a, g) {
			use := explanation(d)
			if use == "" {
				t.Errorf("unexplained: %v", d)
			}
			uses[use]++
		}
	}
	t.Logf("%d requests; what differs:", len(trials))
	for _, r := range differences {
		t.Log(r)
		for _, change := range r.changes {
			t.Logf("%7d times %s", uses[r.String()+change], change)
			if uses[r.String()+change] == 0 {
				t.Error("the table explains what does not happen")
			}
		}
	}
}

// parityConfig is the recipe. Its rules name the paths, as Apache lets through also what
// no registry has, and the trials ask for that.
const parityConfig = `
[[backend]]
name = "local"
type = "htpasswd"
users_file = "@USERS@"
groups_file = "@GROUPS@"

[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "local"
  [[route.rule]]
  name = "pull"
  methods = ["GET", "HEAD"]
  paths = ["/v2/**"]
  require = ["valid-user"]
  [[route.rule]]
  name = "push"
  methods = ["POST", "PUT", "PATCH", "DELETE"]
  paths = ["/v2/**"]
  require = ["group pusher"]
`

// checkNames checks that no two trials have the same name, by which the upstream
// tells them apart.
func checkNames(t *testing.T, trials []trial) {
	t.Helper()
	seen := map[string]bool{}
	for _, trial := range trials {
		if seen[trial.String()] {
			t.Errorf("two trials %v", trial)
		}
		seen[trial.String()] = true
	}
}

// A trial is one request, sent byte for byte to both servers.
type trial struct {
	group string // what the trial is about: a row of differences is of one group
	what  string // which of the group
	who   string // who sends it
	head  string // the request line and the headers, without the last empty line
	body  string

	silent bool // Apache does not answer before all of a body has come
	begun  bool // gatehouse has begun to pass it on when it has to refuse it
}

func (tr trial) String() string { return tr.group + "/" + tr.what + " as " + tr.who }

// An outcome is what one of the servers made of a trial. The table of
// differences names its fields; an empty one it calls "none".
type outcome struct {
	Status    string // of the answer, or "none"
	Body      string // of the answer: html, json, the upstream's, none
	Challenge string // WWW-Authenticate
	Version   string // Docker-Distribution-Api-Version, each line of it
	Headers   string // of the upstream's answer that the client sees
	Upstream  string // the request line that the upstream saw, or "none"
	Content   string // the body that the upstream saw
	Host      string // the Host that the upstream saw
	Secret    string // the Authorization that the upstream saw
	Forwarded string // headers about the client that the upstream saw
	Other     string // other headers that the upstream saw
}

// A difference is one field in which two outcomes of a trial differ.
type difference struct {
	trial             trial
	field             string
	apache, gatehouse string
}

func (d difference) String() string {
	return fmt.Sprintf("%v: %s: %q -> %q", d.trial, d.field, d.apache, d.gatehouse)
}

// compare returns the differences between the outcomes of a trial. Where only
// one of two servers asked the upstream, what the upstream saw of that one is
// not a difference besides.
func compare(tr trial, a, g outcome) []difference {
	var ds []difference
	av, gv := reflect.ValueOf(a), reflect.ValueOf(g)
	for i := range av.NumField() {
		field := av.Type().Field(i).Name
		if field == "Content" && (a.Upstream == "none" || g.Upstream == "none") {
			break
		}
		if x, y := cmp.Or(av.Field(i).String(), "none"), cmp.Or(gv.Field(i).String(), "none"); x != y {
			ds = append(ds, difference{tr, field, x, y})
		}
	}
	return ds
}

// explanation returns the reason and the change of the table that d is, or
// nothing.
func explanation(d difference) string {
	for _, r := range differences {
		for _, change := range r.changes {
			if r.explains(change, d) {
				return r.String() + change
			}
		}
	}
	return ""
}

// An echo is an upstream that remembers what it was sent.
type echo struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]*http.Request // by the X-Trial header
	body map[string]string
}

func startEcho(t *testing.T) *echo {
	e := &echo{seen: map[string]*http.Request{}, body: map[string]string{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	e.seen[r.Header.Get("X-Trial")] = r
	e.body[r.Header.Get("X-Trial")] = fmt.Sprintf("%q %v", body, err)
	e.mu.Unlock()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if answer, ok := echoAnswers[r.URL.Path]; ok {
		answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, "upstream")
}

// observe sends a trial to a server and returns what came of it.
func (e *echo) observe(t *testing.T, f front, tr trial, patience time.Duration) outcome {
	t.Helper()
	conn, err := tls.Dial("tcp", f.addr, &tls.Config{RootCAs: f.certificate.pool, ServerName: "registry.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id := fmt.Sprintf("%+q to %s", tr, f.addr)
	request := tr.head + "X-Trial: " + id + "\r\n\r\n" + tr.body
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	o := readAnswer(conn, tr.head)
	seen, body := e.request(id)
	if tr.begun && filepath.Base(f.cmd.Path) == "gatehouse" {
		testkit.Await(t, "the upstream notices", func() bool {
			seen, body = e.request(id)
			return seen != nil
		})
	}
	o.describeRequest(seen, body)
	return o
}

// request returns the request of a trial and what there was of its body.
func (e *echo) request(id string) (*http.Request, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[id], e.body[id]
}

// readAnswer describes the answer that comes from conn.
func readAnswer(conn io.Reader, head string) outcome {
	method, _, _ := strings.Cut(head, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	for err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	}
	if err != nil {
		return outcome{Status: "none"}
	}
	body, err := io.ReadAll(resp.Body)
	o := outcome{
		Status:    fmt.Sprint(resp.StatusCode),
		Body:      kindOf(body, err),
		Challenge: strings.Join(resp.Header.Values("WWW-Authenticate"), " | "),
		Version:   strings.Join(resp.Header.Values("Docker-Distribution-Api-Version"), " | "),
	}
	o.Headers = pick(resp.Header, "Content-Encoding", "Content-Range", "Docker-Content-Digest", "Etag", "Link", "Location", "Retry-After", "Warning")
	if method == "HEAD" {
		o.Headers += pick(resp.Header, "Content-Length")
	}
	return o
}

// kindOf tells the forms of answers apart.
func kindOf(body []byte, err error) string {
	switch {
	case err != nil:
		return "cut off"
	case len(body) == 0:
		return "none"
	case bytes.Contains(body, []byte("<!DOCTYPE HTML")):
		return "html"
	case bytes.HasPrefix(body, []byte(`{"errors":[`)):
		return "json"
	}
	return string(body)
}

// describeRequest fills in what the upstream saw; r is nil where it saw nothing.
func (o *outcome) describeRequest(r *http.Request, body string) {
	if r == nil {
		o.Upstream = "none"
		return
	}
	o.Upstream = r.Method + " " + r.RequestURI
	if !strings.HasSuffix(body, "<nil>") {
		o.Upstream += ", cut off"
	}
	o.Content = body
	o.Host = r.Host
	o.Secret = pick(r.Header, "Authorization", "Proxy-Authorization")
	o.Forwarded = pick(r.Header, "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-Ip", "Via")
	o.Other = pick(r.Header, "Accept", "Accept-Encoding", "Cookie", "Expect", "Idempotency-Key", "Range", "Te", "Trailer", "Upgrade",
		"User-Agent", "X-Http-Method-Override", "X-Remote-User", "X_remote_user")
}

// pick returns the lines of the named headers.
func pick(h http.Header, names ...string) string {
	var text string
	for _, name := range names {
		for _, value := range h.Values(name) {
			text += fmt.Sprintf("[%s: %s]", name, value)
		}
	}
	return text
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, content, 0o644)
}
