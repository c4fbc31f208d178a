package main_test

import (
	"gatehouse/internal/testkit"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// demoLines are the commands that the demo tells its user to type, and what
// comes of each.
type demoLine struct {
	begin string // of the line, with ADDRESS for the address and GATEHOUSE for the program
	fails bool
	shows string
}

var demoLines = []demoLine{
	{"curl -i http://ADDRESS/v2/", false, "401 Unauthorized"},
	{"curl -u bob:demo http://ADDRESS/v2/_catalog", false, `{"repositories":["demo/hello"]}`},
	{"curl -u bob:demo -X POST http://ADDRESS/v2/demo/hello/blobs/uploads/", false, "bob may not push to demo/hello"},
	{"skopeo inspect --tls-verify=false", false, `"Digest": "sha256:`},
	{"skopeo copy --src-tls-verify=false --src-creds bob:demo", false, "Writing manifest"},
	{"skopeo copy --dest-tls-verify=false --dest-creds alice:demo", false, "Writing manifest"},
	{"skopeo copy --dest-tls-verify=false --dest-creds bob:demo", true, "denied: bob may not push to team/hello"},
	{"docker pull", false, "Downloaded newer image"},
	{"docker login -u alice", false, `"identitytoken"`},
	{"docker tag", false, ""},
	{"docker push", false, "digest: sha256:"},
	{"GATEHOUSE explain --config ", true, "bob may not push to team/hello"},
	{"GATEHOUSE can-i --config ", false, "repositories"},
	{"GATEHOUSE whoami --config ", false, "pusher"},
	{"GATEHOUSE status --config ", false, "users"},
	{"GATEHOUSE why --config ", false, "bob may not push to demo/hello"},
}

// What they say of the place where the users are.
var (
	linesOfFiles     = []demoLine{{"GATEHOUSE passwd --list ", false, "alice"}}
	linesOfDirectory = []demoLine{
		{"GATEHOUSE doctor --config ", false, "ldaps://"},
		{"LDAPTLS_CACERT=", false, "dn: uid=alice,"},
	}
	linesAtEnd = []demoLine{{"GATEHOUSE demo --write-config my-gatehouse", false, "wrote my-gatehouse"}}
)

// TestDemoDoesWhatItSays types what the demo prints, line by line.
func TestDemoDoesWhatItSays(t *testing.T) {
	t.Run("files", func(t *testing.T) { checkDemo(t, slices.Concat(demoLines, linesOfFiles, linesAtEnd), "demo") })
	t.Run("ldap", func(t *testing.T) {
		checkDemo(t, slices.Concat(demoLines, linesOfDirectory, linesAtEnd), "demo", "--ldap")
	})
}

func checkDemo(t *testing.T, want []demoLine, args ...string) {
	cmd := command(t, binary(t), args...)
	demo := start(t, cmd)
	testkit.Await(t, "the demo says what to type", func() bool { return strings.Contains(demo.output.String(), "--write-config") })
	said := demo.output.String()
	match := regexp.MustCompile(`^demo registry on http://(\S+)`).FindStringSubmatch(said)
	if match == nil {
		t.Fatalf("the demo begins with %.100q", said)
	}
	demo.listening(t, match[1])
	lines := regexp.MustCompile(`(?m)^  ((?:curl|skopeo|docker|LDAPTLS_CACERT=\S+ ldapsearch|/\S+) .*)$`).FindAllStringSubmatch(said, -1)
	if len(lines) != len(want) {
		t.Fatalf("the demo says %d lines, %d are expected:\n%s", len(lines), len(want), said)
	}
	for _, program := range []string{"curl", "skopeo", "docker", "ldapsearch", binary(t)} {
		t.Run(filepath.Base(program), func(t *testing.T) {
			if program != binary(t) {
				needs(t, program)
			}
			var env []string
			if program == "docker" {
				needs(t, "dockerd")
				env = []string{"DOCKER_HOST=" + startDocker(t, nil), "DOCKER_CONFIG=" + t.TempDir()}
			}
			folder := t.TempDir()
			for i, line := range lines {
				if words := strings.Fields(line[1]); words[0] == program || words[1] == program {
					t.Run(words[1], func(t *testing.T) { typeDemoLine(t, folder, env, line[1], match[1], want[i]) })
				}
			}
		})
	}
	checkStatusPage(t, said)
	cmd.Process.Signal(syscall.SIGINT) // Ctrl-C
	if code := demo.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) != 0 {
		t.Errorf("the demo leaves %v behind (%v)", left, err)
	}
}

// typeDemoLine runs a line in a folder, with env in its environment.
func typeDemoLine(t *testing.T, folder string, env []string, line, address string, want demoLine) {
	t.Helper()
	if begin := strings.NewReplacer("ADDRESS", address, "GATEHOUSE", binary(t)).Replace(want.begin); !strings.HasPrefix(line, begin) {
		t.Fatalf("the line is %q, not %q", line, begin)
	}
	cmd := commandLine(t, line)
	cmd.Dir, cmd.Env = folder, append(cmd.Env, env...)
	output, err := cmd.CombinedOutput()
	if (err != nil) != want.fails || !strings.Contains(string(output), want.shows) {
		t.Errorf("%s\nended with %v and without %q:\n%s", line, err, want.shows, output)
	}
}

// checkStatusPage looks at the page that the demo tells of.
func checkStatusPage(t *testing.T, said string) {
	t.Helper()
	match := regexp.MustCompile(`(?m)^status page: (\S+)$`).FindStringSubmatch(said)
	if match == nil {
		t.Fatalf("the demo tells of no status page:\n%s", said)
	}
	resp, err := http.Get(match[1])
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the status page is %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
}

// TestWrittenConfigurationWorks grows an installation from what the demo writes:
// with the address of a registry, and nothing else changed, it is one.
func TestWrittenConfigurationWorks(t *testing.T) {
	registry := registries[0]
	needs(t, registry.program)
	dir, addr := t.TempDir(), freeAddr(t)
	said, err := command(t, binary(t), "demo", "--write-config", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	config := filepath.Join(dir, "config.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer("http://127.0.0.1:5000", registry.start(t), "127.0.0.1:5043", addr).Replace(string(text))
	writeFile(t, config, []byte(edited), 0o644)

	if output, err := command(t, binary(t), "check", "--config", config).CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, output)
	}
	start(t, command(t, binary(t), "serve", "--config", config)).listening(t, addr)
	alice := regexp.MustCompile(`alice / (\S+)`).FindSubmatch(said)
	bob := regexp.MustCompile(`bob   / (\S+)`).FindSubmatch(said)
	if alice == nil || bob == nil {
		t.Fatalf("no passwords in %s", said)
	}
	for _, act := range []struct {
		method, path, user, password string
		want                         int
	}{
		{"POST", "/v2/team/app/blobs/uploads/", "alice", string(alice[1]), http.StatusAccepted},
		{"GET", "/v2/_catalog", "bob", string(bob[1]), http.StatusOK},
		{"POST", "/v2/team/app/blobs/uploads/", "bob", string(bob[1]), http.StatusForbidden},
		{"GET", "/v2/", "bob", string(alice[1]), http.StatusUnauthorized},
	} {
		req, err := http.NewRequest(act.method, "http://"+addr+act.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(act.user, act.password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != act.want {
			t.Errorf("%s %s as %s: %s, want %d", act.method, act.path, act.user, resp.Status, act.want)
		}
	}
}
