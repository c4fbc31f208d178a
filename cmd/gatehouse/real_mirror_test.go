package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestMirrorThroughTokens has each registry be a pull-through cache of one behind the
// gateway. docker-registry 2.8.2 knows no Basic authentication there, so tokens are the
// only way for it. Without an account it gets what is public, and with one what that may
// read.
func TestMirrorThroughTokens(t *testing.T) {
	t.Parallel()
	for _, mirror := range registries {
		t.Run(mirror.name, func(t *testing.T) {
			t.Parallel()
			needs(t, "skopeo", registries[0].program, mirror.program)
			f := newRecipe(t).serveTokens(t, registries[0].start(t))
			env := tunnel(t, f.certificate, map[string]string{"registry.test": f.addr})
			image := t.TempDir()
			digest := writeImage(t, image, "behind the mirror "+mirror.name)
			asPusher := newSkopeo(t, env)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, "registry.test")
			for _, repository := range []string{"public/app", "team/app"} {
				asPusher.works("copy", "oci:"+image+":latest", "docker://registry.test/"+repository+":1")
			}

			client := newSkopeo(t, nil)
			pull := func(mirror, repository string) (folder string, args []string) {
				folder = t.TempDir()
				return folder, []string{"copy", "--src-tls-verify=false", "docker://" + mirror + "/" + repository + ":1", "oci:" + folder + ":latest"}
			}
			anonymous := mirror.startMirror(t, env, "")
			folder, args := pull(anonymous, "public/app")
			client.works(args...)
			checkImage(t, folder, digest)
			if !strings.Contains(f.output.String(), `"target":"/v2/token?scope=repository%3Apublic%2Fapp%3Apull`) {
				t.Error("the mirror fetched no token without a login")
			}
			_, args = pull(anonymous, "team/app")
			client.refused("manifest unknown", args...)

			folder, args = pull(mirror.startMirror(t, env, fmt.Sprintf(", username: %s, password: %s", puller, pullerPassword)), "team/app")
			client.works(args...)
			checkImage(t, folder, digest)
		})
	}
}

// startMirror starts a pull-through cache of the registry behind the gateway, with what its
// configuration says besides, and returns its address.
func (r registryProgram) startMirror(t *testing.T, env []string, account string) string {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	config := filepath.Join(dir, "config.yml")
	writeFile(t, config, fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
http:
  addr: %s
proxy: {remoteurl: "https://registry.test"%s}
`, filepath.Join(dir, "store"), addr, account), 0o644)
	cmd := r.command(t, config)
	cmd.Env = append(cmd.Env, env...)
	start(t, cmd).listening(t, addr)
	return addr
}
