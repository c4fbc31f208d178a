package main_test

import (
	"encoding/base64"
	"encoding/json"
	"gatehouse/internal/testkit"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// refusalBound is how long a client may take to show a refusal. Clients that
// take the refusal for a passing fault repeat it for 50 seconds, which is what
// is proved not to happen; the time really taken is in the log of the test.
const refusalBound = 25 * time.Second

// TestSkopeo walks through the three acts of the recipe with skopeo: the user
// in the group pushes, the other pulls, and is refused to push.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "skopeo", registry.program)
			f := newRecipe(t).gatehouse(t, registry.start(t))
			env := tunnel(t, f.certificate, map[string]string{"registry.test": f.addr})
			image := t.TempDir()
			digest := writeImage(t, image, "from "+registry.name)

			asPusher := newSkopeo(t, env)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, "registry.test")
			asPusher.works("copy", "oci:"+image+":latest", "docker://registry.test/team/app:1")

			asPuller, pulled := newSkopeo(t, env), t.TempDir()
			asPuller.works("login", "-u", puller, "-p", pullerPassword, "registry.test")
			asPuller.works("copy", "docker://registry.test/team/app:1", "oci:"+pulled+":latest")
			checkImage(t, pulled, digest)

			denied := f.sentence(t, "POST", "/v2/team/other/blobs/uploads/", puller, pullerPassword)
			asPuller.refused(denied, "copy", "oci:"+image+":latest", "docker://registry.test/team/other:1")

			stranger := newSkopeo(t, env)
			wrong := f.sentence(t, "GET", "/v2/", puller, "wrong")
			stranger.refused(wrong, "copy", "--src-creds", puller+":wrong", "docker://registry.test/team/app:1", "oci:"+t.TempDir()+":latest")
			// These two have words of their own: a login shows no reason, and a
			// push begins with a HEAD request, whose answer has no body.
			stranger.refused("invalid username/password", "login", "-u", puller, "-p", "wrong", "registry.test")
			stranger.refused("unauthorized", "copy", "--dest-creds", pusher+":wrong", "oci:"+image+":latest", "docker://registry.test/team/other:1")
		})
	}
}

// TestDocker is TestSkopeo with a docker daemon, one for all the registries.
func TestDocker(t *testing.T) {
	needs(t, "docker", "dockerd", registries[0].program, registries[1].program)
	r := newRecipe(t)
	one, two := r.gatehouse(t, registries[0].start(t)), r.gatehouse(t, registries[1].start(t))
	socket := startDocker(t, tunnel(t, r.certificate, map[string]string{
		"one.registry.test": one.addr,
		"two.registry.test": two.addr,
	}))
	for i, f := range []front{one, two} {
		t.Run(registries[i].name, func(t *testing.T) {
			name := []string{"one", "two"}[i] + ".registry.test"
			image := name + "/team/app:1"
			asPusher, asPuller := newDocker(t, socket), newDocker(t, socket)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, name)
			id := load(asPusher, rootfs(t, "from "+registries[i].name), image)
			asPusher.works("push", image)
			asPusher.works("rmi", image)

			asPuller.works("login", "-u", puller, "-p", pullerPassword, name)
			asPuller.works("pull", image)
			if got := strings.TrimSpace(asPuller.works("inspect", "--format", "{{.Id}}", image)); got != id {
				t.Errorf("pushed image %s, pulled %s", id, got)
			}

			// A layer that the registry has would be found there before
			// anything is written, so the refused image is another.
			other := name + "/team/other:1"
			load(asPuller, rootfs(t, "refused by "+registries[i].name), other)
			denied := f.sentence(t, "POST", "/v2/team/other/blobs/uploads/", puller, pullerPassword)
			asPuller.refused(denied, "push", other)

			stranger := newDocker(t, socket)
			stranger.refused("401 Unauthorized", "login", "-u", puller, "-p", "wrong", name)
			stranger = newDocker(t, socket)
			remember(stranger, name, pusher, "wrong")
			wrong := f.sentence(t, "GET", "/v2/", pusher, "wrong")
			stranger.refused(wrong, "push", other)
			stranger.refused(wrong, "pull", image)
		})
	}
}

// sentence returns what the gateway tells a client that it refuses, without the
// id of the request at its end.
func (f front) sentence(t *testing.T, method, path, user, password string) string {
	t.Helper()
	resp, body := f.request(t, method, path, user, password)
	var answer struct{ Errors []struct{ Message string } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Errors) != 1 {
		t.Fatalf("%s %s as %s: %s with body %q", method, path, user, resp.Status, body)
	}
	sentence, _, _ := strings.Cut(answer.Errors[0].Message, " (id ")
	return sentence
}

// A client runs the commands of one user of a registry client.
type client struct {
	t    *testing.T
	name string
	args []string // before those of every command
	env  []string
}

// newSkopeo returns a client that has logged in nowhere yet.
func newSkopeo(t *testing.T, env []string) client {
	auth := filepath.Join(t.TempDir(), "auth.json")
	return client{t, "skopeo", []string{"--insecure-policy"}, append([]string{"REGISTRY_AUTH_FILE=" + auth}, env...)}
}

func (c client) run(args ...string) (string, error) {
	cmd := command(c.t, c.name, append(slices.Clone(c.args), args...)...)
	cmd.Env = append(cmd.Env, c.env...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// works runs a command that has to succeed and returns its output.
func (c client) works(args ...string) string {
	c.t.Helper()
	output, err := c.run(args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", c.name, args[0], err, output)
	}
	return output
}

// refused runs a command that has to fail soon and to show a sentence.
func (c client) refused(sentence string, args ...string) {
	c.t.Helper()
	begin := time.Now()
	output, err := c.run(args...)
	took := time.Since(begin)
	if err == nil {
		c.t.Errorf("%s %q was not refused", c.name, args)
	}
	if !strings.Contains(strings.ReplaceAll(output, `\"`, `"`), sentence) {
		c.t.Errorf("%s %s does not show %q:\n%s", c.name, args[0], sentence, output)
	}
	if took > refusalBound {
		c.t.Errorf("%s %s took %v to be refused", c.name, args[0], took)
	}
	c.t.Logf("%s %s: refused after %v: %s", c.name, args[0], took.Round(time.Millisecond), strings.TrimSpace(output))
}

// startDocker starts a docker daemon that keeps all it has in a folder of its
// own and changes nothing in the network, and returns its address.
func startDocker(t *testing.T, env []string) string {
	t.Helper()
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "docker.sock"), filepath.Join(dir, "daemon.json")
	writeFile(t, config, []byte("{}"), 0o644)
	cmd := command(t, "dockerd", "--host", "unix://"+socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--config-file", config,
		"--log-level", "error", "--bridge", "none", "--iptables=false", "--storage-driver", "vfs")
	cmd.Env = append(cmd.Env, env...)
	daemon := start(t, cmd)
	testkit.Await(t, "dockerd answers", func() bool {
		select {
		case <-daemon.done:
			t.Fatalf("dockerd ended with %v", cmd.ProcessState)
		default:
		}
		return command(t, "docker", "--host", "unix://"+socket, "version").Run() == nil
	})
	return "unix://" + socket
}

// newDocker returns a client that has logged in nowhere yet.
func newDocker(t *testing.T, socket string) client {
	return client{t, "docker", []string{"--config", t.TempDir(), "--host", socket}, nil}
}

// load makes an image of a file system and returns its id.
func load(c client, rootfs []byte, image string) string {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "rootfs.tar")
	writeFile(c.t, file, rootfs, 0o644)
	return strings.TrimSpace(c.works("import", file, image))
}

// remember stores a password without asking the registry about it, as it is
// after somebody's password was changed.
func remember(c client, registry, user, password string) {
	c.t.Helper()
	login := map[string]any{"auths": map[string]any{registry: map[string]string{
		"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
	}}}
	writeFile(c.t, filepath.Join(c.args[1], "config.json"), toJSON(c.t, login), 0o600)
}
