package main_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// h2specTests is how many tests h2spec has.
const h2specTests = 145

// h2specAccepted are the tests of h2spec that the gateway fails, with the reason why
// each may be failed.
var h2specAccepted = map[h2specTest]string{
	{"http2/6.5.3", "Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE"}: "net/http ends a connection whose SETTINGS frame has a parameter twice: " +
		"no client sends one, and it makes a flood of changes cheap",
	{"http2/8.1.2.2", "Sends a HEADERS frame that contains the connection-specific header field"}: "the request is refused with 400 in place of a reset, " +
		"as RFC 9113, section 8.1.1, allows, so that the client learns why",
	{"http2/8.1.2.2", `Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`}: "the same",
}

// h2specTest is a test of h2spec, and what came of it.
type h2specTest struct {
	Section string `xml:"package,attr"`
	Title   string `xml:"classname,attr"`
}

type h2specResult struct {
	h2specTest
	Failure *string `xml:"error"`
	Skipped *string `xml:"skipped"`
}

// TestHTTP2IsThatOfTheStandard runs h2spec against a gateway with a registry behind.
// h2spec cannot log in, and some of its tests need an answer of more than a few bytes.
func TestHTTP2IsThatOfTheStandard(t *testing.T) {
	needs(t, "h2spec", registries[0].program)
	f := withoutLogins(t, registries[0].start(t))
	const path = "/v2/_catalog"
	if resp, body := f.request(t, "GET", path, "", ""); resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Fatalf("GET %s: %s %s: %s", path, resp.Proto, resp.Status, body)
	}
	results := h2spec(t, f.addr, path)
	if len(results) != h2specTests {
		t.Errorf("h2spec ran %d tests, want %d", len(results), h2specTests)
	}
	failures := map[h2specTest]string{}
	for _, r := range results {
		if r.Skipped != nil {
			t.Errorf("%s, %s: skipped", r.Section, r.Title)
		}
		if r.Failure == nil {
			continue
		}
		if _, accepted := h2specAccepted[r.h2specTest]; !accepted {
			t.Errorf("%s, %s: want one of these, and got the last:\n%s", r.Section, r.Title, *r.Failure)
		}
		failures[r.h2specTest] = h2specAccepted[r.h2specTest]
	}
	if diff := gocmp.Diff(h2specAccepted, failures); diff != "" {
		t.Errorf("the tests that fail are not those that may (-may +do):\n%s", diff)
	}
}

// withoutLogins starts a gateway that lets everybody do everything.
func withoutLogins(t *testing.T, upstream string) front {
	t.Helper()
	r := newRecipe(t)
	config := filepath.Join(r.dir, "config.toml")
	writeFile(t, config, []byte(`
[[backend]]
name = "local"
type = "htpasswd"
users_file = "`+r.usersFile+`"

[[route]]
path = "/"
backend = "local"
upstream = "`+upstream+`"

[[route.rule]]
name = "everybody"
require = ["all granted"]
`), 0o600)
	return r.serve(t, "--config", config)
}

// h2spec runs all its tests on the path.
func h2spec(t *testing.T, addr, path string) []h2specResult {
	t.Helper()
	report := filepath.Join(t.TempDir(), "junit.xml")
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	// It waits for the whole of its time, in seconds, in the two tests whose answer is
	// another one than it expects, and in no other.
	output, err := command(t, "h2spec", "--tls", "--insecure", "--host", ip, "--port", port, "--path", path,
		"--timeout", "5", "--junit-report", report).CombinedOutput()
	var failed *exec.ExitError // as it does whenever one of its tests fails
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return testCases[h2specResult](t, strings.NewReader(string(text)))
}
