package main_test

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestConformanceIsThatOfTheRegistry runs the conformance suite of the OCI
// distribution specification against a bare registry and against an equal one
// behind gatehouse. What a registry lacks is its own affair; gatehouse must
// neither add a failure nor take one away.
func TestConformanceIsThatOfTheRegistry(t *testing.T) {
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "conformance", registry.program)
			bare := conformance(t, "OCI_TLS=disabled", "OCI_REGISTRY="+strings.TrimPrefix(registry.start(t), "http://"))
			for what, f := range map[string]front{
				"by methods":                      newRecipe(t).gatehouse(t, registry.start(t)),
				"by actions, with filtered lists": filtering(t, registry.start(t)),
				"for tokens":                      newRecipe(t).serveTokens(t, registry.start(t)),
			} {
				behind := conformance(t, "OCI_TLS=enabled", "OCI_REGISTRY="+f.addr, "SSL_CERT_FILE="+f.certificate.certFile,
					"OCI_USERNAME="+pusher, "OCI_PASSWORD="+pusherPassword)
				if diff := gocmp.Diff(bare, behind); diff != "" {
					t.Errorf("rules %s: the suite sees a difference (-bare +behind gatehouse):\n%s", what, diff)
				}
				fetched := strings.Count(f.output.String(), `"target":"/v2/token?`)
				if t.Logf("rules %s: %d tokens were fetched", what, fetched); (fetched > 0) != (what == "for tokens") {
					t.Error("the suite logs in by another way")
				}
			}
			if len(bare) < 600 {
				t.Errorf("the suite ran %d tests, too few to prove anything", len(bare))
			}
			t.Logf("%d results, the same bare and behind gatehouse", len(bare))
		})
	}
}

// filtering starts the program with rules by which the pusher alone may do everything to
// the repositories of the suite. Its lists are filtered.
func filtering(t *testing.T, upstream string) front {
	t.Helper()
	r := newRecipe(t)
	config := filepath.Join(r.dir, "filtered.toml")
	writeFile(t, config, fmt.Appendf(nil, `
[[backend]]
name = "local"
type = "htpasswd"
users_file = %[1]q

[[route]]
path = "/v2/"
upstream = %[2]q
backend = "local"
catalog = "filtered"

  [[route.rule]]
  name = "suite"
  repositories = ["conformance/**"]
  require = ["user %[3]s"]

  [[route.rule]]
  name = "catalog"
  actions = ["catalog"]
  require = ["user %[3]s"]
`, r.usersFile, upstream, pusher), 0o644)
	return r.serve(t, "--config", config)
}

// TestConformanceFailsForThePuller shows that the suite above is able to fail:
// for a user who may not push it does.
func TestConformanceFailsForThePuller(t *testing.T) {
	registry := registries[0]
	needs(t, "conformance", registry.program)
	f := newRecipe(t).gatehouse(t, registry.start(t))
	results := conformance(t, "OCI_TLS=enabled", "OCI_REGISTRY="+f.addr, "SSL_CERT_FILE="+f.certificate.certFile,
		"OCI_USERNAME="+puller, "OCI_PASSWORD="+pullerPassword)
	if !slices.ContainsFunc(results, func(r result) bool { return r.Status == "failure" }) {
		t.Errorf("no failure in %d results", len(results))
	}
}

// A result is what the suite says of one of its tests.
type result struct {
	Name   string `xml:"name,attr"`
	Status string `xml:"status,attr"`
}

// conformance runs the suite and returns the results in the order of their
// names: their own order changes from run to run.
func conformance(t *testing.T, env ...string) []result {
	t.Helper()
	dir := t.TempDir()
	suite := command(t, "conformance")
	suite.Dir = dir
	suite.Env = append(suite.Env, append(env, "OCI_RESULTS_DIR="+dir, "OCI_REPO1=conformance/one", "OCI_REPO2=conformance/two")...)
	output, err := suite.CombinedOutput()
	var failed *exec.ExitError // as it does whenever one of its tests fails
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	report, err := os.Open(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	defer report.Close()
	results := testCases[result](t, report)
	slices.SortFunc(results, func(a, b result) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Status, b.Status))
	})
	return results
}

// testCases returns the test cases of a JUnit report, however deep, in its order.
func testCases[T any](t *testing.T, report io.Reader) []T {
	t.Helper()
	var cases []T
	for d := xml.NewDecoder(report); ; {
		token, err := d.Token()
		if err == io.EOF {
			return cases
		}
		if err != nil {
			t.Fatal(err)
		}
		element, ok := token.(xml.StartElement)
		if !ok || element.Name.Local != "testcase" {
			continue
		}
		var c T
		if err := d.DecodeElement(&c, &element); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
}
