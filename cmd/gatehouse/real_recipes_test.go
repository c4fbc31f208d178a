package main_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The people of the recipes on the page about rules: alice is in the group dev, bob in ops,
// and the robot in a dev of its own backend. A stranger logs in nowhere.
const (
	alice    = "alice"
	bob      = "bob"
	stranger = ""
)

// act is what somebody does with a client under a recipe. A client has repositories of its
// own: in their names @ stands for that of the client.
type act struct {
	what, who string
	from, to  string // repositories
	want      bool
}

// recipeActs are what is tried under each recipe of the page, in their order there. The
// acts of a recipe are done one after the other: who is to pull something finds it there.
var recipeActs = []struct {
	host string
	acts []act
}{
	{"own.registry.test", []act{
		{"push", bob, "", "users/alice/@", false}, {"push", alice, "", "users/alice/@", true},
		{"tags", bob, "users/alice/@", "", true}, {"pull", bob, "users/alice/@", "", true},
		{"copy", bob, "users/alice/@", "users/bob/@", true}, {"copy", alice, "users/alice/@", "users/bob/@-2", false},
		{"catalog", alice, "", "", false},
		{"delete", bob, "users/alice/@", "", false}, {"delete", alice, "users/alice/@", "", true},
	}},
	{"team.registry.test", []act{
		{"push", bob, "", "teams/dev/@", false}, {"push", alice, "", "teams/dev/@", true},
		{"tags", bob, "teams/dev/@", "", true}, {"pull", bob, "teams/dev/@", "", true},
		{"copy", bob, "teams/dev/@", "teams/ops/@", true}, {"copy", alice, "teams/dev/@", "teams/ops/@-2", false},
		{"delete", bob, "teams/dev/@", "", false}, {"delete", alice, "teams/dev/@", "", true},
	}},
	{"robots.registry.test", []act{
		{"push", robot, "", "read/@", false}, {"push", alice, "", "read/@", true},
		{"tags", robot, "read/@", "", true}, {"pull", robot, "read/@", "", true},
		{"copy", robot, "read/@", "read/@-2", false}, {"copy", alice, "read/@", "read/@-3", true},
		{"catalog", robot, "", "", false}, {"catalog", alice, "", "", true},
		{"delete", robot, "read/@", "", false}, {"delete", alice, "read/@", "", true},
	}},
	{"public.registry.test", []act{
		{"push", bob, "", "public/@", false}, {"push", alice, "", "public/@", true}, {"push", alice, "", "private/@", true},
		{"tags", bob, "public/@", "", true}, {"pull", bob, "public/@", "", true}, {"pull", bob, "private/@", "", false},
		{"pull", stranger, "public/@", "", true}, {"pull", stranger, "private/@", "", false},
		{"copy", alice, "private/@", "private/@-2", true}, {"copy", bob, "public/@", "private/@-3", false},
		{"catalog", bob, "", "", false}, {"catalog", alice, "", "", true},
		{"delete", bob, "public/@", "", false}, {"delete", alice, "public/@", "", true},
	}},
	{"prod.registry.test", []act{
		{"push", alice, "", "prod/@", false}, {"push", alice, "", "stage/@", true},
		{"tags", robot, "stage/@", "", true}, {"pull", robot, "stage/@", "", true},
		{"copy", alice, "stage/@", "prod/@", false}, {"copy", robot, "stage/@", "prod/@", true},
		{"pull", alice, "prod/@", "", true}, {"catalog", alice, "", "", false},
		{"delete", alice, "prod/@", "", false}, {"delete", robot, "prod/@", "", true},
	}},
}

// recipeClient is a program that people use a registry with.
type recipeClient struct {
	name     string
	programs []string
	mounts   bool // it asks the registry to take a layer over from another repository

	// asksFirst says that it does nothing for a stranger where /v2/ asks for a login.
	asksFirst bool

	// commands returns what is typed for an act, of which the last command is refused
	// or not; nil for what the client has no command for.
	commands func(what string, image imageOfClient, from, to string) [][]string
}

// imageOfClient is what a client pushes.
type imageOfClient struct {
	layout, digest string // an OCI layout
	rootfs         string // a tar file
	chart          string // of helm
	scratch        string // a folder for what it pulls
}

var recipeClients = []recipeClient{
	{"skopeo", []string{"skopeo"}, true, false, func(what string, image imageOfClient, from, to string) [][]string {
		skopeo := []string{"skopeo", "--insecure-policy"}
		switch what {
		case "push":
			return [][]string{append(skopeo, "copy", "oci:"+image.layout+":latest", "docker://"+to+":1")}
		case "pull":
			return [][]string{append(skopeo, "copy", "docker://"+from+":1", "dir:"+image.scratch)}
		case "tags":
			return [][]string{append(skopeo, "list-tags", "docker://"+from)}
		case "copy":
			return [][]string{append(skopeo, "copy", "docker://"+from+":1", "docker://"+to+":1")}
		case "delete":
			return [][]string{append(skopeo, "delete", "docker://"+from+":1")}
		}
		return nil
	}},
	{"crane", []string{"crane"}, true, false, func(what string, image imageOfClient, from, to string) [][]string {
		return map[string][][]string{
			"push":    {{"crane", "push", image.layout, to + ":1"}},
			"pull":    {{"crane", "pull", from + ":1", filepath.Join(image.scratch, "image.tar")}},
			"tags":    {{"crane", "ls", from}},
			"copy":    {{"crane", "cp", from + ":1", to + ":1"}},
			"delete":  {{"crane", "delete", from + "@" + image.digest}},
			"catalog": {{"crane", "catalog", hostOf(to)}},
		}[what]
	}},
	{"oras", []string{"oras"}, false, false, func(what string, image imageOfClient, from, to string) [][]string {
		return map[string][][]string{
			"push":    {{"oras", "cp", "--from-oci-layout", image.layout + ":latest", to + ":1"}},
			"pull":    {{"oras", "cp", from + ":1", "--to-oci-layout", image.scratch + ":1"}},
			"tags":    {{"oras", "repo", "tags", from}},
			"copy":    {{"oras", "cp", from + ":1", to + ":1"}},
			"delete":  {{"oras", "manifest", "delete", "-f", from + "@" + image.digest}},
			"catalog": {{"oras", "repo", "ls", hostOf(to)}},
		}[what]
	}},
	{"regctl", []string{"regctl"}, true, false, func(what string, image imageOfClient, from, to string) [][]string {
		return map[string][][]string{
			"push":    {{"regctl", "image", "copy", "ocidir://" + image.layout + ":latest", to + ":1"}},
			"pull":    {{"regctl", "image", "copy", from + ":1", "ocidir://" + image.scratch + ":1"}},
			"tags":    {{"regctl", "tag", "ls", from}},
			"copy":    {{"regctl", "image", "copy", from + ":1", to + ":1"}},
			"delete":  {{"regctl", "manifest", "delete", from + "@" + image.digest}},
			"catalog": {{"regctl", "repo", "ls", hostOf(to)}},
		}[what]
	}},
	{"docker", []string{"docker", "dockerd"}, true, true, func(what string, image imageOfClient, from, to string) [][]string {
		return map[string][][]string{
			"push": {{"docker", "import", image.rootfs, to + ":1"}, {"docker", "push", to + ":1"}},
			"pull": {{"docker", "pull", from + ":1"}},
			"copy": {{"docker", "pull", from + ":1"}, {"docker", "tag", from + ":1", to + ":1"}, {"docker", "push", to + ":1"}},
		}[what]
	}},
	{"podman", []string{"podman"}, true, false, func(what string, image imageOfClient, from, to string) [][]string {
		return map[string][][]string{
			"push": {{"podman", "import", image.rootfs, to + ":1"}, {"podman", "push", to + ":1"}},
			"pull": {{"podman", "pull", from + ":1"}},
			"tags": {{"podman", "search", "--list-tags", from}},
			"copy": {{"podman", "pull", from + ":1"}, {"podman", "tag", from + ":1", to + ":1"}, {"podman", "push", to + ":1"}},
		}[what]
	}},
}

// hostOf returns the registry of a repository.
func hostOf(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// serveRecipes starts a gateway with the recipes of the page about rules, each for a host
// of its own, before one registry. Its lists are filtered.
func serveRecipes(t *testing.T, upstream string) front {
	t.Helper()
	r := newRecipe(t)
	for name, text := range map[string]string{
		"corp.htpasswd": htpasswdLine(t, alice, alice+"-5ecret") + htpasswdLine(t, bob, bob+"-5ecret"), "corp.groups": "dev: alice\nops: bob\n",
		"local.htpasswd": htpasswdLine(t, robot, robotPassword), "local.groups": "dev: " + robot + "\n",
	} {
		writeFile(t, filepath.Join(r.dir, name), []byte(text), 0o644)
	}
	config := "[[backend]]\nname = \"everyone\"\ntype = \"chain\"\nmember = [{ backend = \"corp\" }, { backend = \"local\" }]\n"
	for _, name := range []string{"corp", "local"} {
		config += fmt.Sprintf("[[backend]]\nname = %q\ntype = \"htpasswd\"\nusers_file = \"%[1]s.htpasswd\"\ngroups_file = \"%[1]s.groups\"\n", name)
	}
	_, page, _ := strings.Cut(document(t, "docs/rules.md"), "\n## Recipes\n")
	page, _, _ = strings.Cut(page, "\n## ")
	shown := fenced(page, "toml")
	if len(shown) != len(recipeActs) {
		t.Fatalf("the page has %d recipes, and this test %d", len(shown), len(recipeActs))
	}
	for i, recipe := range recipeActs {
		rules, _, _ := strings.Cut(shown[i], "[[test]]")
		config += fmt.Sprintf("[[route]]\nhosts = [%q]\npath = \"/v2/\"\nupstream = %q\nbackend = \"everyone\"\ncatalog = \"filtered\"\n%s", recipe.host, upstream, rules)
	}
	path := filepath.Join(r.dir, "recipes.toml")
	writeFile(t, path, []byte(config), 0o644)
	return r.serve(t, "--config", path)
}

// TestRecipesWithClients has the clients that people use list, pull, push, take over and
// delete under each recipe of the page about rules. The log has what became of each.
func TestRecipesWithClients(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program)
			f := serveRecipes(t, registry.start(t))
			addrs := map[string]string{}
			for _, recipe := range recipeActs {
				addrs[recipe.host] = f.addr
			}
			env := tunnel(t, f.certificate, addrs)
			for _, c := range recipeClients {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					needs(t, c.programs...)
					t.Log(newRecipeRun(t, c, env).all())
					taken := regexp.MustCompile(`/` + c.name + `(-\d)?/blobs/uploads/\?[^"]*mount=[^"]*"[^\n]*"status":201`)
					if c.mounts && !taken.MatchString(f.output.String()) {
						t.Error("no layer was taken over from another repository")
					}
				})
			}
		})
	}
}

// recipeRun is one client, as each of its users has it.
type recipeRun struct {
	t      *testing.T
	client recipeClient
	image  imageOfClient
	env    []string
	config map[string]string // folder of each user
	global []string          // arguments before those of each command
}

func newRecipeRun(t *testing.T, c recipeClient, env []string) *recipeRun {
	t.Helper()
	dir := t.TempDir()
	r := &recipeRun{t: t, client: c, env: env, config: map[string]string{}, image: imageOfClient{layout: t.TempDir(), rootfs: filepath.Join(dir, "rootfs.tar")}}
	r.image.digest = writeImage(t, r.image.layout, "by "+c.name)
	writeFile(t, r.image.rootfs, rootfs(t, "by "+c.name), 0o644)
	for who, password := range map[string]string{alice: alice + "-5ecret", bob: bob + "-5ecret", robot: robotPassword, stranger: ""} {
		auths := map[string]any{}
		for _, recipe := range recipeActs {
			if who != stranger {
				auths[recipe.host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(who + ":" + password))}
			}
		}
		r.config[who] = t.TempDir()
		writeFile(t, filepath.Join(r.config[who], "config.json"), toJSON(t, map[string]any{"auths": auths}), 0o600)
	}
	switch c.name {
	case "docker":
		r.global = []string{"--host", startDocker(t, env)}
	case "podman":
		dir, err := os.MkdirTemp("", "gatehouse") // which may have no long name
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		r.global = []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs", "--log-level", "error"}
	}
	return r
}

// all does the acts of all recipes and returns a line for each recipe.
func (r *recipeRun) all() string {
	r.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "what became of it with %s:\n", r.client.name)
	for _, recipe := range recipeActs {
		fmt.Fprintf(&b, "%-22s", recipe.host)
		for _, a := range recipe.acts {
			fmt.Fprintf(&b, " %s by %s: %s;", a.what, cmp.Or(a.who, "a stranger"), r.do(recipe.host, a))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// refusedByGateway is how clients say that they were refused.
var refusedByGateway = regexp.MustCompile(`(?i)denied|forbidden|unauthorized|may not|authentication required|credential`)

// do does one act and says whether it worked.
func (r *recipeRun) do(host string, a act) string {
	r.t.Helper()
	r.image.scratch = r.t.TempDir()
	name := func(repository string) string { return host + "/" + strings.ReplaceAll(repository, "@", r.client.name) }
	commands := r.client.commands(a.what, r.image, name(a.from), name(a.to))
	if commands == nil {
		return "-"
	}
	if a.who == stranger && r.client.asksFirst {
		a.want = false
	}
	var output string
	var err error
	for i, words := range commands {
		output, err = r.run(a.who, words)
		if i < len(commands)-1 && err != nil {
			r.t.Fatalf("%q: %v\n%s", words, err, output)
		}
	}
	said := commands[len(commands)-1]
	switch {
	case (err == nil) != a.want:
		r.t.Errorf("%q by %q: %v, want it to work: %v\n%s", said, a.who, err, a.want, output)
	case err != nil && !refusedByGateway.MatchString(output):
		r.t.Errorf("%q by %q fails, and was not refused:\n%s", said, a.who, output)
	case a.what == "catalog" && err == nil && !strings.Contains(output, r.client.name):
		r.t.Errorf("%q by %q lists\n%s", said, a.who, output)
	}
	if err != nil {
		return "no"
	}
	return "yes"
}

// run runs a command of a user.
func (r *recipeRun) run(who string, words []string) (string, error) {
	cmd := command(r.t, words[0], append(slices.Clone(r.global), words[1:]...)...)
	dir := r.config[who]
	cmd.Env = append(append(cmd.Env, r.env...), "DOCKER_CONFIG="+dir, "REGISTRY_AUTH_FILE="+filepath.Join(dir, "config.json"))
	output, err := cmd.CombinedOutput()
	return string(output), err
}
