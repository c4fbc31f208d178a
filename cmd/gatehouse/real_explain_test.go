package main_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// explained writes a configuration with the rules given before a registry, and returns
// its path.
func (r recipe) explained(t *testing.T, rules string) string {
	t.Helper()
	config := filepath.Join(r.dir, "config.toml")
	writeFile(t, config, []byte(strings.ReplaceAll(`
admin = { socket = "admin.sock" }

[[backend]]
name = "local"
type = "htpasswd"
users_file = "httpd.htpasswd"
groups_file = "httpd.groups"

[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "local"
`, "@UPSTREAM@", registries[0].start(t))+rules), 0o644)
	return config
}

// TestSkopeoAndWhy follows the id that skopeo shows to somebody who may not push
// to the explanation for those who run the gateway, who then ask what would help.
func TestSkopeoAndWhy(t *testing.T) {
	needs(t, "skopeo", registries[0].program)
	r := newRecipe(t)
	config := r.explained(t, `
  [[route.rule]]
  name = "pull"
  methods = ["GET"]
  require = ["valid-user"]

  [[route.rule]]
  name = "push"
  require = ["group pusher"]
`)
	f := r.serve(t, "--config", config)
	image := t.TempDir()
	writeImage(t, image, "refused")
	skopeo := newSkopeo(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
	output, err := skopeo.run("copy", "--dest-creds", puller+":"+pullerPassword, "oci:"+image+":latest", "docker://registry.test/team/app:1")
	id := regexp.MustCompile(`\(id ([0-9A-Z]{8})\)`).FindStringSubmatch(output)
	if err == nil || id == nil {
		t.Fatalf("skopeo: %v, no id in\n%s", err, output)
	}
	gatehouse := client{t, binary(t), nil, []string{"GATEHOUSE_CONFIG=" + config}}
	why := gatehouse.works("why", id[1])
	for _, want := range []string{
		"POST /v2/team/app/blobs/uploads/", " at registry.test by testuser (backend local; no groups) from 127.0.0.1: DENIED\n",
		`decided by   rule "push" (` + config + ":20)", "would allow  add testuser to the group pusher\n", "(id " + id[1] + ")\n",
	} {
		if !strings.Contains(why, want) {
			t.Errorf("want %q in\n%s", want, why)
		}
	}
	gatehouse.refused("DENIED", "explain", "--live", "--user", puller, "push", "team/app:1")
	gatehouse.works("can-i", "push", "team/app:1", "--as", puller, "--groups", "pusher")
	gatehouse.refused("no: ", "can-i", "push", "team/app:1", "--as", puller, "--live")
}

// TestREG1NoCatchAllTakesTheLoginAway has skopeo log in and pull as somebody who may use
// one repository, before a last rule that refuses everything else.
func TestREG1NoCatchAllTakesTheLoginAway(t *testing.T) {
	needs(t, "skopeo", registries[0].program)
	r := newRecipe(t)
	config := r.explained(t, strings.ReplaceAll(`
  [[route.rule]]
  name = "team a"
  paths = ["/v2/a/**"]
  require = ["user @PULLER@", "group pusher"]

  [[route.rule]]
  name = "everything else"
  require = ["group pusher"]
`, "@PULLER@", puller))
	f := r.serve(t, "--config", config)
	image := t.TempDir()
	writeImage(t, image, "for the team")
	skopeo := newSkopeo(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
	if output, err := skopeo.run("copy", "--dest-creds", pusher+":"+pusherPassword, "oci:"+image+":latest", "docker://registry.test/a/app:1"); err != nil {
		t.Fatalf("push: %v\n%s", err, output)
	}
	if output, err := skopeo.run("login", "-u", puller, "-p", "not "+pullerPassword, "registry.test"); err == nil {
		t.Errorf("the login takes any password:\n%s", output)
	}
	if output, err := skopeo.run("login", "-u", puller, "-p", pullerPassword, "registry.test"); err != nil {
		t.Errorf("login: %v\n%s", err, output)
	}
	if output, err := skopeo.run("copy", "docker://registry.test/a/app:1", "dir:"+t.TempDir()); err != nil {
		t.Errorf("pull: %v\n%s", err, output)
	}
	gatehouse := client{t, binary(t), nil, []string{"GATEHOUSE_CONFIG=" + config}}
	said := gatehouse.works("can-i", "pull", "a/app:1", "--as", puller, "--groups", "")
	if !strings.Contains(said, "yes: ") {
		t.Errorf("can-i pull: %s", said)
	}
	said = gatehouse.works("can-i", "login", "--as", puller, "--groups", "")
	if !strings.Contains(said, "whatever other rules say") {
		t.Errorf("can-i login: %s", said)
	}
	gatehouse.refused("no: ", "can-i", "push", "b/app:1", "--as", puller, "--groups", "")
}
