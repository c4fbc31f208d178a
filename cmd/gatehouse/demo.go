package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/token"
)

// newDemoCommand returns "gatehouse demo".
func newDemoCommand() *cobra.Command {
	var listen, configDir string
	var directory bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a registry with users behind a gateway, all in this program",
		Long: `Run a gateway in front of a registry that is part of this program and keeps its
images in memory, with two users, and say what to try. It needs no file and no
other program, and everything is gone when it ends. While it runs there is a
configuration in a folder of its own, which all other commands can be asked about.

With --write-config it does not run anything, but writes a configuration with a
password file and a group file to start your own from.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if configDir != "" {
				return writeDemoConfig(cmd.OutOrStdout(), configDir)
			}
			return demo(cmd, listen, directory)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "loopback address to listen on (default 127.0.0.1:5000, or the next port that is free)")
	cmd.Flags().BoolVar(&directory, "ldap", false, "keep the users in an LDAP directory, which is part of this program too")
	cmd.Flags().StringVar(&configDir, "write-config", "", "write a working configuration into this folder")
	return cmd
}

// demoPassword is the password of both users of the demo, which listens on
// loopback only.
const demoPassword = "demo"

// demo runs the registry and the gateway until a signal comes.
func demo(cmd *cobra.Command, listen string, directory bool) error {
	dir, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stop, err := startDemoRegistry(filepath.Join(dir, "registry.sock"))
	if err != nil {
		return err
	}
	defer stop()
	place := demoPlace{dir: dir, address: listen}
	if listen == "" {
		place.address = freeDemoAddress(5000)
	}
	if loopback, err := assemble.CheckListenAddress(place.address); err == nil && !loopback {
		return &exitError{2, fmt.Errorf("--listen %s: the demo can be reached from this machine only, as everybody knows its passwords; write 127.0.0.1:PORT", listen)}
	}
	place.admin = freeDemoAddress(9090, place.address)
	users := writeDemoFiles
	if directory {
		users = startDemoDirectory
	}
	stopUsers, err := users(&place)
	if err != nil {
		return fmt.Errorf("users of the demo: %w", err)
	}
	defer stopUsers()
	if err := place.writeKey(); err != nil {
		return err
	}
	if err := os.WriteFile(place.config(), []byte(place.configText()), 0o600); err != nil {
		return err
	}
	return place.run(cmd)
}

// demoPlace is where a demo runs.
type demoPlace struct {
	dir            string
	address, admin string // to listen on
	backend        string // its table
	look           string // what to type to see where the users are
}

func (p demoPlace) config() string { return filepath.Join(p.dir, "config.toml") }

// configText returns the configuration: the one to grow from, in front of the registry
// of the demo.
func (p demoPlace) configText() string {
	head := strings.NewReplacer(`"127.0.0.1:5043"`, fmt.Sprintf("%q", p.address)).Replace(demoHead)
	route := strings.NewReplacer(`"http://127.0.0.1:5000"`, `"unix:registry.sock"`, `"local"`+"\n", `"users"`+"\n"+demoPublic).Replace(demoRoute)
	return "access_log = \"common\"\nlog_level = \"warn\"\n" + head +
		fmt.Sprintf("[admin]\nsocket = \"admin.sock\"\nlisten = %q\n\n", p.admin) + demoTokens + p.backend + route
}

// writeKey writes the key that tokens are sealed with.
func (p demoPlace) writeKey() error {
	return os.WriteFile(filepath.Join(p.dir, "token-keys"), []byte(token.NewKey(time.Now()).Line()+"\n"), 0o600)
}

// demoTokens and demoPublic have everybody pull demo/hello without a login, and docker login
// keep a token in place of the password.
const (
	demoTokens = `[tokens]
key_file = "token-keys"
state_file = "token-state.json"
identity_ttl = "720h"

`
	demoPublic = `challenge = "bearer"

  [[route.rule]]
  name = "public"
  repositories = ["demo/**"]
  actions = ["pull"]
  require = ["all granted"]
`
)

// run serves the configuration as serve does, so that all other commands can ask about
// it.
func (p demoPlace) run(cmd *cobra.Command) error {
	source := configSource{name: p.config(), file: p.config(), load: func() (*config.Document, error) { return loadConfig(p.config(), nil) }}
	d, err := newDaemon(source, cmd.ErrOrStderr(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer d.close()
	stopAdmin, err := d.startAdmin()
	if err != nil {
		d.gateway.Close()
		return &exitError{1, err}
	}
	defer stopAdmin()
	fmt.Fprint(cmd.OutOrStdout(), p.text())
	return runGateway(cmd.Context(), d.gateway, d.log, d.follow)
}

// writeDemoFiles has the users of the demo in files.
func writeDemoFiles(p *demoPlace) (stop func(), err error) {
	p.backend = strings.Replace(demoFiles, `"local"`, `"users"`, 1)
	p.look = `  GATEHOUSE passwd --list DIR/htpasswd                                   # they are in files`
	return func() {}, writeDemoUsers(p.dir, map[string]string{"alice": demoPassword, "bob": demoPassword})
}

// freeDemoAddress returns the first loopback address from a port on that nobody
// listens on. Port 5000 is taken on macOS.
func freeDemoAddress(first int, taken ...string) string {
	for port := first; port < first+20; port++ {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if slices.Contains(taken, address) {
			continue
		}
		l, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil {
			l.Close()
		}
		return address // a failure to listen is told when it is tried again
	}
	return "127.0.0.1:0"
}

// startDemoRegistry serves a registry with one small image on a socket.
func startDemoRegistry(socket string) (stop func(), err error) {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if err := seedImage(handler, "demo/hello", "1"); err != nil {
		return nil, fmt.Errorf("demo registry: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("demo registry: %w", err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	return func() { server.Shutdown(context.Background()) }, nil
}

// writeDemoUsers writes a password file and a group file. The user alice is in the
// group pusher.
func writeDemoUsers(dir string, passwords map[string]string) error {
	var lines strings.Builder
	for _, user := range []string{"alice", "bob"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(passwords[user]), demoCost)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s:%s\n", user, hash)
	}
	if err := os.WriteFile(filepath.Join(dir, "htpasswd"), []byte(lines.String()), 0o640); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "groups"), []byte("pusher: alice\n"), 0o640)
}

// demoCost is the cost of the bcrypt hashes.
const demoCost = 10

// text says what to type. Every line that begins with two blanks and a program works
// as it stands.
func (p demoPlace) text() string {
	names := strings.NewReplacer("ADDRESS", p.address, "ADMIN", p.admin, "PASSWORD", demoPassword, "GATEHOUSE", ownName(), "FILE", p.config(), "DIR", p.dir)
	return names.Replace(strings.Replace(demoText, "LOOK", p.look, 1))
}

const demoText = `demo registry on http://ADDRESS   (in memory, gone when you stop it with Ctrl-C)

users:
  alice / PASSWORD   may pull and push   (group pusher)
  bob   / PASSWORD   may only pull

try, in another terminal:
  curl -i http://ADDRESS/v2/                                             # 401: who are you?
  curl -u bob:PASSWORD http://ADDRESS/v2/_catalog; echo                      # bob may read
  curl -u bob:PASSWORD -X POST http://ADDRESS/v2/demo/hello/blobs/uploads/    # and not push: 403, and why
  skopeo inspect --tls-verify=false docker://ADDRESS/demo/hello:1             # everybody may read demo/
  skopeo copy --src-tls-verify=false --src-creds bob:PASSWORD docker://ADDRESS/demo/hello:1 dir:gatehouse-demo-hello
  skopeo copy --dest-tls-verify=false --dest-creds alice:PASSWORD dir:gatehouse-demo-hello docker://ADDRESS/team/hello:1
  skopeo copy --dest-tls-verify=false --dest-creds bob:PASSWORD dir:gatehouse-demo-hello docker://ADDRESS/team/hello:2    # denied
  docker pull ADDRESS/demo/hello:1
  docker login -u alice -p PASSWORD ADDRESS && cat "${DOCKER_CONFIG:-$HOME/.docker}/config.json"    # a token, and no password
  docker tag ADDRESS/demo/hello:1 ADDRESS/team/hello:3
  docker push ADDRESS/team/hello:3

ask the gateway, which runs with FILE:
  GATEHOUSE explain --config FILE --live --user bob push team/hello
  GATEHOUSE can-i --config FILE --live --as bob --list
  GATEHOUSE whoami --config FILE alice
  GATEHOUSE status --config FILE
  GATEHOUSE why --config FILE "$(curl -s -u bob:PASSWORD -X POST http://ADDRESS/v2/demo/hello/blobs/uploads/ | grep -o 'id [0-9A-Z]*')"    # or any other id
LOOK
status page: http://ADMIN/

make it yours:
  GATEHOUSE demo --write-config my-gatehouse

What follows is the access log. A line with "" and 400 is a client that tries TLS first,
as docker and skopeo do.

`

// ownName returns what starts this program again.
func ownName() string {
	own, err := os.Executable()
	if err != nil {
		return "gatehouse"
	}
	if found, err := exec.LookPath("gatehouse"); err == nil && isSameFile(found, own) {
		return "gatehouse"
	}
	if strings.Contains(own, string(filepath.Separator)+"go-build") { // by go run, which removes it
		return "go run ./cmd/gatehouse"
	}
	return own
}

func isSameFile(a, b string) bool {
	one, errOne := os.Stat(a)
	other, errOther := os.Stat(b)
	return errOne == nil && errOther == nil && os.SameFile(one, other)
}
