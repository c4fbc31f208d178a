package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// demoConfigText is a configuration to grow from. It is complete: what is not in
// it has the default that config.example.toml shows.
const demoConfigText = demoHead + demoFiles + demoRoute

const demoHead = `# A gatehouse in front of a registry. Every key with its default and what it is for:
# config.example.toml. After a change:   gatehouse check --config config.toml

# Plain HTTP is refused on other than loopback addresses. For the network give it a
# certificate and an address such as ":5043":
listen = ["127.0.0.1:5043"]

# [tls]
# cert_file = "domain.crt"
# key_file  = "domain.key"

`

const demoFiles = `[[backend]]
name = "local"
type = "htpasswd"
users_file  = "htpasswd"      # add a user:  gatehouse passwd htpasswd NAME
groups_file = "groups"

`

const demoRoute = `[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:5000"    # the registry
backend = "local"

  [[route.rule]]
  name = "pull"
  actions = ["pull", "catalog"]
  require = ["valid-user"]

  [[route.rule]]
  name = "push"
  actions = ["push", "delete"]
  require = ["group pusher"]
`

// writeDemoConfig writes a configuration with its files into dir, and says on out
// what to do with it. It overwrites nothing.
func writeDemoConfig(out io.Writer, dir string) error {
	for _, name := range []string{"config.toml", "htpasswd", "groups"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return &exitError{1, fmt.Errorf("%s exists already and is not overwritten: name another folder", filepath.Join(dir, name))}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	passwords := map[string]string{"alice": rand.Text(), "bob": rand.Text()}
	if err := writeDemoUsers(dir, passwords); err != nil {
		return err
	}
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte(demoConfigText), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, `wrote %s, with a password file and a group file beside it

users (these passwords are shown once):
  alice / %s   may pull and push   (group pusher)
  bob   / %s   may only pull

next:
  gatehouse check --config %[1]s
  gatehouse serve --config %[1]s       # expects a registry on http://127.0.0.1:5000
`, config, passwords["alice"], passwords["bob"])
	return nil
}
