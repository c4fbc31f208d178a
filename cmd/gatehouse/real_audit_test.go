package main_test

import (
	"encoding/json"
	"gatehouse/internal/testkit"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// auditedConfig is of the folder of the recipe.
const auditedConfig = `access_log = "off"
audit_log = "audit.log"

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
  require = ["valid-user"]

  [[route.rule]]
  name = "push"
  methods = ["POST", "PUT", "PATCH", "DELETE"]
  require = ["group pusher"]
`

// auditLines returns the records in a file, by method and path.
func auditLines(t *testing.T, path string) map[string]map[string]any {
	t.Helper()
	text, _ := os.ReadFile(path)
	records := map[string]map[string]any{}
	for line := range strings.Lines(string(text)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		records[r["method"].(string)+" "+r["path"].(string)] = r
	}
	return records
}

// TestAuditLogOfAPushAndItsRotation pushes through the program, moves the audit log
// away as log rotation does, and pushes again.
func TestAuditLogOfAPushAndItsRotation(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	r := newRecipe(t)
	config := filepath.Join(r.dir, "audited.toml")
	values := strings.NewReplacer("@USERS@", r.usersFile, "@GROUPS@", r.groupsFile, "@UPSTREAM@", registry.start(t))
	writeFile(t, config, []byte(values.Replace(auditedConfig)), 0o644)
	path := filepath.Join(r.dir, "audit.log")
	f := r.serve(t, "--config", config)

	first := startPush(t, f)
	first.finish()
	<-first.answer
	old := path + ".1"
	testkit.Await(t, "the first push is recorded", func() bool { return len(auditLines(t, path)) >= 2 })
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	f.cmd.Process.Signal(syscall.SIGHUP)
	testkit.Await(t, "there is a new file", func() bool { _, err := os.Stat(path); return err == nil })
	second := startPush(t, f)
	second.finish()
	<-second.answer
	testkit.Await(t, "the second push is recorded", func() bool { return len(auditLines(t, path)) >= 2 })
	for _, file := range []string{old, path} {
		for what, record := range auditLines(t, file) {
			if record["user"] != pusher || record["backend"] != "local" || record["rule"] != "push" || record["decision"] != "allowed" || record["repository"] != "team/app" {
				t.Errorf("%s: %s: got %v", file, what, record)
			}
		}
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text), pusherPassword) {
		t.Error("a password is in the audit log")
	}
}
