package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

const repositoriesConfig = `
[[backend]]
name = "local"
type = "htpasswd"
users_file = "httpd.htpasswd"
groups_file = "httpd.groups"

[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "local"

  [[route.rule]]
  name = "own"
  repositories = ["users/{user}/**"]
  require = ["valid-user"]

  [[route.rule]]
  name = "team"
  repositories = ["teams/{group}/**"]
  actions = ["push"]
  require = ["valid-user"]

  [[route.rule]]
  name = "read"
  actions = ["pull", "catalog"]
  require = ["valid-user"]

  [[route.rule]]
  name = "rest"
  require = ["group admins"]
`

// TestRulesOnRepositoriesWithSkopeo has two people push, pull, list and delete in each
// other's repositories.
func TestRulesOnRepositoriesWithSkopeo(t *testing.T) {
	needs(t, "skopeo", registries[0].program)
	r := newRecipe(t)
	config := filepath.Join(r.dir, "repositories.toml")
	writeFile(t, config, []byte(strings.ReplaceAll(repositoriesConfig, "@UPSTREAM@", registries[0].start(t))), 0o644)
	f := r.serve(t, "--config", config)
	image := t.TempDir()
	writeImage(t, image, "of somebody")
	skopeo := newSkopeo(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
	one, other := puller+":"+pullerPassword, pusher+":"+pusherPassword
	push := func(who, repository string) []string {
		return []string{"copy", "--dest-creds", who, "oci:" + image + ":latest", "docker://registry.test/" + repository}
	}
	skopeo.works("login", "-u", puller, "-p", pullerPassword, "registry.test")
	skopeo.works("logout", "registry.test")
	skopeo.works(push(one, "users/"+puller+"/app:1")...)
	skopeo.works(push(other, "users/"+pusher+"/app:1")...)
	skopeo.works(push(other, "teams/pusher/app:1")...)

	skopeo.refused("may not push to users/"+puller+"/app", push(other, "users/"+puller+"/app:1")...)
	skopeo.refused("pushes by "+pusher+" are allowed to users/"+pusher+"/**, teams/pusher/**", push(other, "prod/app:1")...)
	skopeo.refused("pushes by "+puller+" are allowed to users/"+puller+"/**", push(one, "teams/pusher/app:1")...)

	skopeo.works("copy", "--src-creds", other, "docker://registry.test/users/"+puller+"/app:1", "dir:"+t.TempDir())
	skopeo.works("list-tags", "--creds", other, "docker://registry.test/users/"+puller+"/app")
	if output, err := skopeo.run("delete", "--creds", other, "docker://registry.test/users/"+puller+"/app:1"); err == nil {
		t.Errorf("somebody else deletes it:\n%s", output)
	}
	if resp, body := f.request(t, "GET", "/v2/_oci/ext/discover", pusher, pusherPassword); resp.StatusCode != 403 {
		t.Errorf("an extension: %s\n%s", resp.Status, body)
	}

	gatehouse := client{t, binary(t), nil, []string{"GATEHOUSE_CONFIG=" + config}}
	said := gatehouse.works("can-i", "--list", "--as", pusher)
	for _, row := range []string{"users/" + pusher + "/**", "teams/pusher/**"} {
		if !strings.Contains(said, row) || strings.Contains(said, "{") {
			t.Errorf("can-i --list: no row %s:\n%s", row, said)
		}
	}
	gatehouse.works("can-i", "push", "users/"+pusher+"/app", "--as", pusher)
	gatehouse.refused("no: ", "can-i", "push", "users/"+puller+"/app", "--as", pusher)
}
