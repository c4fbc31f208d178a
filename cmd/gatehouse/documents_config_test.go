package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/token"
)

// documentFolder returns a folder with the files that configurations in pages name.
func documentFolder(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	made := workspace(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("a password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signing.NewKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var users strings.Builder
	for _, name := range []string{"alice", "bob", "ci-bot", "admin"} {
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
	}
	for _, folder := range []string{"", "auth", "tls"} {
		for file, text := range map[string]string{
			"httpd.htpasswd": users.String(), "robots.htpasswd": users.String(),
			"httpd.groups": "pusher: alice ci-bot\ndevs: bob\n", "robots.groups": "pusher: ci-bot admin\n",
			"ldap-password": "a password\n", "token-keys": token.NewKey(time.Now()).Line() + "\n", "registry-token.pem": signer,
		} {
			name := filepath.Join(dir, folder, file)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for file, from := range map[string]string{"domain.crt": "cert.pem", "domain.key": "key.pem", "corp-ca.pem": "cert.pem", "ipa-ca.pem": "cert.pem"} {
			link(t, filepath.Join(made, "files", from), filepath.Join(dir, folder, file))
		}
	}
	return dir
}

// The parts of the configuration that a fragment is put into. A part that the
// fragment has itself is left out.
const (
	frameHead  = "listen = [\"127.0.0.1:5043\"]\n"
	frameLocal = "[[backend]]\nname = \"local\"\ntype = \"htpasswd\"\nusers_file = \"httpd.htpasswd\"\ngroups_file = \"httpd.groups\"\n"
	frameCorp  = "[[backend]]\nname = \"corp\"\ntype = \"ldap\"\npreset = \"openldap\"\nurls = [\"ldaps://ldap1.corp.example\"]\n" +
		"bind_dn = \"cn=gatehouse,dc=corp,dc=example\"\nbind_password_file = \"ldap-password\"\nuser_bases = [\"dc=corp,dc=example\"]\n"
	frameChain = "[[backend]]\nname = \"everyone\"\ntype = \"chain\"\nmember = [{ backend = \"local\" }, { backend = \"corp\" }]\n"
	frameRoute = "[[route]]\npath = \"/v2/\"\nupstream = \"http://registry:5000\"\nbackend = \"everyone\"\n"
	frameRules = "[[route.rule]]\nname = \"pull\"\nmethods = [\"GET\", \"HEAD\"]\nrequire = [\"valid-user\"]\n" +
		"[[route.rule]]\nname = \"push\"\nrequire = [\"group pusher\"]\n"
)

// framed returns a whole configuration with a fragment in it. The first line of the
// fragment is a table, or a comment that names the one it belongs to.
func framed(fragment string) (config string, err error) {
	first, _, _ := strings.Cut(fragment, "\n")
	has := func(text string) bool { return strings.Contains("\n"+fragment, "\n"+text) }
	without := func(part, text string) string {
		if has(text) {
			return ""
		}
		return part
	}
	local, corp, chain := without(frameLocal, `name = "local"`), without(frameCorp, `name = "corp"`), without(frameChain, `name = "everyone"`)
	route, rules := frameRoute, frameRules
	switch {
	case has("[[route]]"): // which has its rules, and is about local users
		route, rules, corp, chain = "", "", "", ""
	case has("[[route.rule]]"):
		rules = ""
	}
	switch place := strings.TrimPrefix(first, "# in "); {
	case place == "[[route]]" || first == "[[route.rule]]":
		return frameHead + local + corp + chain + route + fragment + rules, nil
	case place == "[[route.rule]]":
		return frameHead + local + corp + chain + route + "[[route.rule]]\nname = \"shown\"\n" + fragment, nil
	case place == `[[backend]] with type = "ldap"`:
		return frameHead + local + corp + fragment + chain + route + rules, nil
	case place == `[[backend]] with type = "htpasswd"`:
		return frameHead + corp + local + fragment + chain + route + rules, nil
	case place == "the top level":
		return frameHead + fragment + local + corp + chain + route + rules, nil
	case strings.HasPrefix(first, "["):
		return frameHead + local + corp + chain + route + rules + fragment, nil
	}
	return "", fmt.Errorf("the first line is %q: it is no table, and no comment that says where the keys belong", first)
}

// Every configuration that is shown, in a page or to be mounted, is one that gatehouse
// takes without a complaint. A part of one is taken in its place.
func TestShownConfigurationsAreGood(t *testing.T) {
	t.Parallel()
	dir := documentFolder(t)
	shown := map[string]string{"deploy/config.toml": readRoot(t, "deploy/config.toml")}
	for name, text := range pages(t) {
		list, _ := blocks(text)
		for i, b := range list {
			if b.language == "toml" {
				shown[fmt.Sprint(name, " block ", i+1)] = b.text
			}
		}
	}
	for name, text := range shown {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			whole := regexp.MustCompile(`(?m)^\[\[route\]\]`).MatchString(text) && strings.Contains(text, "[[backend]]")
			if !whole {
				var err error
				if text, err = framed(text); err != nil {
					t.Fatal(err)
				}
			}
			// The compose file says it in the environment.
			if whole && name != "deploy/config.toml" && strings.Contains("\n"+text, "\nlisten = ") && !strings.Contains(text, "[admin]") {
				t.Errorf("there is no [admin], so that gatehouse why, status and reload do not work with it:\n%s", text)
			}
			errs, warnings := problemsOf(t, dir, text)
			if whole {
				errs = slices.Concat(errs, warnings)
			}
			for _, p := range errs {
				t.Errorf("%s\n%s", p.String(), text)
			}
		})
	}
}

// problemsOf returns what is said about a configuration that stands in a folder.
func problemsOf(t *testing.T, dir, text string) (errs, warnings config.Report) {
	t.Helper()
	file, err := os.CreateTemp(dir, "*.toml")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file.Name())
	if err := os.WriteFile(file.Name(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return problems(t, file.Name())
}
