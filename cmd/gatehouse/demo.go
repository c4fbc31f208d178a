package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/gateway"
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
other program, and everything is gone when it ends.

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
	if err := writeDemoUsers(dir, map[string]string{"alice": demoPassword, "bob": demoPassword}); err != nil {
		return err
	}
	if listen == "" {
		listen = freeDemoAddress()
	}
	if loopback, err := checkListenAddress(listen); err == nil && !loopback {
		return &exitError{2, fmt.Errorf("--listen %s: the demo can be reached from this machine only, as everybody knows its passwords; write 127.0.0.1:PORT", listen)}
	}
	c, err := demoConfig(dir, listen)
	if err != nil {
		return err
	}
	if directory {
		table, stop, err := startDemoDirectory(dir)
		if err != nil {
			return fmt.Errorf("demo directory: %w", err)
		}
		defer stop()
		c.Backends = []BackendConfig{table}
	}
	diagnostics := newLog(cmd.ErrOrStderr(), slog.LevelWarn, nil)
	cfg, closeBackends, err := c.build(diagnostics)
	if err != nil {
		return err
	}
	defer closeBackends()
	cfg.AccessOut = cmd.ErrOrStderr()
	return runDemo(cmd, cfg, diagnostics)
}

func runDemo(cmd *cobra.Command, cfg gateway.Config, diagnostics *slog.Logger) error {
	g, err := gateway.New(cfg)
	if err != nil {
		return err
	}
	fmt.Fprint(cmd.OutOrStdout(), demoText(cfg.Listen[0]))
	return runGateway(cmd.Context(), g, diagnostics, func(context.Context) {})
}

// demoConfig is the quick configuration, in front of the demo's own registry.
func demoConfig(dir, listen string) (*Config, error) {
	c, err := quickConfig("unix:"+filepath.Join(dir, "registry.sock"), filepath.Join(dir, "htpasswd"), filepath.Join(dir, "groups"), nil)
	if err != nil {
		return nil, err
	}
	c.Listen = []string{listen}
	c.AccessLog = "common"
	return c, nil
}

// freeDemoAddress returns the first loopback address from port 5000 on that
// nobody listens on. Port 5000 is taken on macOS.
func freeDemoAddress() string {
	for port := 5000; port < 5020; port++ {
		address := fmt.Sprintf("127.0.0.1:%d", port)
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

// demoText says what to type. Every line that begins with two blanks and a program
// works as it stands.
func demoText(address string) string {
	return strings.NewReplacer("ADDRESS", address, "PASSWORD", demoPassword).Replace(`demo registry on http://ADDRESS   (in memory, gone when you stop it with Ctrl-C)

users:
  alice / PASSWORD   may pull and push   (group pusher)
  bob   / PASSWORD   may only pull

try, in another terminal:
  curl -i http://ADDRESS/v2/                                             # 401: who are you?
  curl -u bob:PASSWORD http://ADDRESS/v2/_catalog                            # bob may read
  curl -u bob:PASSWORD -X POST http://ADDRESS/v2/demo/hello/blobs/uploads/    # and not push: 403, and why
  skopeo copy --src-tls-verify=false --src-creds bob:PASSWORD docker://ADDRESS/demo/hello:1 dir:gatehouse-demo-hello
  skopeo copy --dest-tls-verify=false --dest-creds alice:PASSWORD dir:gatehouse-demo-hello docker://ADDRESS/team/hello:1
  skopeo copy --dest-tls-verify=false --dest-creds bob:PASSWORD dir:gatehouse-demo-hello docker://ADDRESS/team/hello:2    # denied
  docker login -u alice -p PASSWORD ADDRESS
  docker pull ADDRESS/demo/hello:1
  docker tag ADDRESS/demo/hello:1 ADDRESS/team/hello:3
  docker push ADDRESS/team/hello:3

make it yours:
  gatehouse demo --write-config my-gatehouse

`)
}
