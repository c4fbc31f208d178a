package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// gatehouseConfig has the recipe's rules, and every other setting as it comes.
const gatehouseConfig = `listen = ["{{.Listen}}"]
{{if not .AccessLog}}access_log = "off"{{end}}
{{if .Metrics}}
[admin] # without it nothing is counted
socket = "{{.Home}}/admin.sock"
{{end}}

{{if .Tokens}}
[tokens]
{{end}}
[tls]
cert_file = "{{.CertFile}}"
key_file = "{{.KeyFile}}"

[[backend]]
name = "local"
type = "htpasswd"
users_file = "{{.UsersFile}}"
groups_file = "{{.GroupsFile}}"

[[route]]
path = "/v2/"
upstream = "http://{{.Upstream}}"
backend = "local"
realm = "Registry Authentication"
{{if .Tokens}}challenge = "bearer"{{end}}

  [[route.rule]]
  name = "pull"
  methods = ["GET", "HEAD"]
  require = ["valid-user"]

  [[route.rule]]
  name = "push"
  methods = ["POST", "PUT", "PATCH", "DELETE"]
  require = ["group pusher"]
`

// findGatehouse builds the program of this module, or takes the one it is told.
func findGatehouse(ctx context.Context, l *lab, o options) (string, error) {
	if o.gatehouse != "" {
		return filepath.Abs(o.gatehouse)
	}
	root, err := goTool(ctx, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", err
	}
	if root == "" {
		return "", errors.New("cannot be built: the working folder is not in the module")
	}
	binary := filepath.Join(l.Dir, "gatehouse.bin")
	args := []string{"build", "-C", root, "-o", binary}
	if o.profile != "" {
		overlay, err := writeProfiler(l, root)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	_, err = goTool(ctx, append(args, "./cmd/gatehouse")...)
	return binary, err
}

func goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, strings.Join(strings.Fields(string(exit.Stderr)), " "))
	}
	return strings.TrimSpace(string(out)), err
}
