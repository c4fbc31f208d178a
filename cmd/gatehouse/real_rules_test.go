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

// TestFoldersOfGroupsOfARealDirectory has alice, who is in a group of an OpenLDAP, and by
// that in another, push to the folders of both, and to that of no other group. A group
// whose name can be no part of a repository's name has none.
func TestFoldersOfGroupsOfARealDirectory(t *testing.T) {
	t.Parallel()
	needs(t, "slapd", "slapadd", "skopeo", registries[0].program)
	r := newRecipe(t)
	const others = "dn: cn=ops,dc=corp,dc=example\nobjectClass: groupOfNames\ncn: ops\nmember: uid=bob,dc=corp,dc=example\n\n" +
		"dn: cn=Web Team,dc=corp,dc=example\nobjectClass: groupOfNames\ncn: Web Team\nmember: uid=alice,dc=corp,dc=example\n"
	url, _ := runOpenLDAPWith(t, r.dir, others)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
	config := filepath.Join(r.dir, "folders.toml")
	writeFile(t, config, []byte(strings.NewReplacer("@URL@", url, "@UPSTREAM@", registries[0].start(t)).Replace(`
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
ca_file = "corp-ca.pem"
bind_dn = "cn=gatehouse,ou=system,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]

[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "corp"

  [[route.rule]]
  name = "team"
  repositories = ["teams/{group}/**"]
  require = ["backend corp"]

  [[route.rule]]
  name = "catalog"
  actions = ["catalog"]
  require = ["valid-user"]
`)), 0o600)
	f := r.serve(t, "--config", config)
	image := t.TempDir()
	digest := writeImage(t, image, "of a group")
	skopeo := newSkopeo(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
	push := func(who, repository string) []string {
		return []string{"copy", "--dest-creds", who + ":" + directoryUserPassword, "oci:" + image + ":latest", "docker://registry.test/" + repository}
	}
	skopeo.works(push("alice", "teams/team/app:1")...)
	skopeo.works(push("alice", "teams/pusher/app:1")...) // of which team is a member
	skopeo.works(push("bob", "teams/ops/app:1")...)
	skopeo.refused("403 (Forbidden)", push("alice", "teams/ops/app:1")...)
	skopeo.refused("403 (Forbidden)", push("bob", "teams/pusher/app:1")...)
	pulled := t.TempDir()
	skopeo.works("copy", "--src-creds", "alice:"+directoryUserPassword, "docker://registry.test/teams/pusher/app:1", "oci:"+pulled+":latest")
	checkImage(t, pulled, digest)
	for user, want := range map[string]string{"alice": "teams/pusher/app teams/team/app", "bob": "teams/ops/app"} {
		if got := strings.Join(f.list(t, "/v2/_catalog?n=1", user, directoryUserPassword), " "); got != want {
			t.Errorf("%s sees %q, want %q", user, got, want)
		}
	}

	gatehouse := client{t, binary(t), nil, []string{"GATEHOUSE_CONFIG=" + config}}
	for request, want := range map[string]string{"teams/team/app:1": ": allowed\n", "teams/pusher/app:1": ": allowed\n", "teams/ops/app:1": "DENIED", "teams/web-team/app:1": "DENIED"} {
		said, _ := gatehouse.run("explain", "--live", "--user", "alice", "push", request)
		if !strings.Contains(said, want) {
			t.Errorf("explain %s: want %s in\n%s", request, want, said)
		}
	}
}
