package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"

	"gatehouse/internal/testkit"
)

// matrixClient is a program that people use a registry with, and what the matrix of clients
// and situations knows of it.
type matrixClient struct {
	recipeClient

	// login is what is typed to log in; nil if there is no such command. The client then
	// has a password in the file of docker, or takes it with each command.
	login func(user, password string) []string

	// trusting says that it stores a password without asking anybody.
	trusting bool

	// silent says that it does not show why a push was refused.
	silent bool

	// emptied says that after a 401 to a PUT it sends that again without its body, and has
	// to learn before the manifest that its token has expired.
	emptied bool

	// prepare starts what the client needs, and returns what stands before its arguments.
	prepare func(t *testing.T, env []string) []string
}

// withLogin returns what is typed to log in to the registry of the matrix.
func withLogin(words ...string) func(user, password string) []string {
	return func(user, password string) []string {
		return append(append([]string{}, words...), "-u", user, "-p", password)
	}
}

// matrixClients returns the clients: those that every change is tried with, and where there
// is time for it those of which the installation takes minutes too.
func matrixClients() []matrixClient {
	known := map[string]recipeClient{}
	for _, c := range recipeClients {
		known[c.name] = c
	}
	clients := []matrixClient{
		{recipeClient: known["docker"], login: withLogin("docker", "login"), prepare: func(t *testing.T, env []string) []string { return []string{"--host", startDocker(t, env)} }},
		{recipeClient: known["podman"], login: withLogin("podman", "login"), prepare: containersStorage},
		{recipeClient: buildah, login: withLogin("buildah", "login"), prepare: containersStorage},
		{recipeClient: known["skopeo"], login: withLogin("skopeo", "login")},
		{recipeClient: known["crane"], login: withLogin("crane", "auth", "login"), trusting: true, emptied: true},
		{recipeClient: known["regctl"], login: withLogin("regctl", "registry", "login")},
		{recipeClient: known["oras"], login: withLogin("oras", "login")},
		{recipeClient: ctr, silent: true, prepare: startContainerd},
	}
	if os.Getenv(slowLayerVariable) == "" {
		return clients
	}
	return append(clients,
		matrixClient{recipeClient: helm, login: withLogin("helm", "registry", "login")},
		matrixClient{recipeClient: buildkit, prepare: startBuildkit},
	)
}

// slowLayerVariable is for how many seconds a layer is sent. If it is set, the matrix has
// all clients and all registries.
const slowLayerVariable = "GATEHOUSE_TEST_LAYER_SECONDS"

// containersStorage returns the arguments that have podman and buildah keep images in a
// folder of their own.
func containersStorage(t *testing.T, _ []string) []string {
	t.Helper()
	dir := folderOfShortName(t)
	return []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs", "--log-level", "error"}
}

// folderOfShortName is t.TempDir for clients that take no long names, or no capital letters.
func folderOfShortName(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

var buildah = recipeClient{name: "buildah", programs: []string{"buildah"}, commands: func(what string, image imageOfClient, from, to string) [][]string {
	return map[string][][]string{
		"push": {{"buildah", "pull", "oci:" + image.layout + ":latest"}, {"buildah", "push", "localhost" + image.layout + ":latest", "docker://" + to + ":1"}},
		"pull": {{"buildah", "pull", "--policy", "always", "docker://" + from + ":1"}},
	}[what]
}}

// ctr is a client of containerd that fetches and sends without asking it to unpack.
var ctr = recipeClient{name: "ctr", programs: []string{"ctr", "containerd", "tar"}, commands: func(what string, image imageOfClient, from, to string) [][]string {
	archive := image.layout + ".tar"
	return map[string][][]string{
		"push": {
			{"tar", "-C", image.layout, "-cf", archive, "."}, {"ctr", "images", "import", "--no-unpack", "--index-name", to + ":1", archive},
			{"ctr", "images", "push", userArg, to + ":1"},
		},
		"pull": {{"ctr", "content", "fetch", userArg, from + ":1"}},
	}[what]
}}

var helm = recipeClient{name: "helm", programs: []string{"helm"}, commands: func(what string, image imageOfClient, from, to string) [][]string {
	return map[string][][]string{
		"push": {{"helm", "push", image.chart, "oci://" + path.Dir(to)}},
		"pull": {{"helm", "pull", "oci://" + from, "--version", "1.0.0", "--destination", image.scratch}},
	}[what]
}}

// buildkit builds an image upon one that it pulls, and pushes what it has built.
var buildkit = recipeClient{name: "buildkit", programs: []string{"buildctl", "buildkitd", "runc"}, commands: func(what string, image imageOfClient, from, to string) [][]string {
	folder := filepath.Dir(image.rootfs)
	build := []string{"buildctl", "build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context=" + folder, "--local", "dockerfile=" + folder, "--output"}
	return map[string][][]string{
		"push": {append(build, "type=image,push=true,name="+to+":1")},
		"pull": {append(build, "type=tar,dest="+filepath.Join(image.scratch, "image.tar"), "--opt", "build-arg:BASE="+from+":1")},
	}[what]
}}

// startBuildkit starts a buildkitd that keeps all it has in a folder of its own, and runs
// nothing in what it builds.
func startBuildkit(t *testing.T, env []string) []string {
	t.Helper()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(folderOfShortName(t), "socket")
	cmd := command(t, "buildkitd", "--addr", socket, "--root", dir, "--containerd-worker", "false", "--oci-worker-snapshotter", "native", "--oci-worker-net", "host")
	cmd.Env = append(cmd.Env, env...)
	awaitDaemon(t, start(t, cmd), "buildctl", "--addr", socket, "debug", "workers")
	return []string{"--addr", socket}
}

// userArg stands for the user and the password in a command. Strangers do not have it.
const userArg = "--user=USER:PASSWORD"

// startContainerd starts a containerd that keeps all it has in a folder of its own.
func startContainerd(t *testing.T, env []string) []string {
	t.Helper()
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "containerd.sock"), filepath.Join(dir, "config.toml")
	writeFile(t, config, fmt.Appendf(nil, "version = 2\nroot = %q\nstate = %q\n[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket, socket+".ttrpc"), 0o644)
	cmd := command(t, "containerd", "--config", config, "--log-level", "error")
	cmd.Env = append(cmd.Env, env...)
	awaitDaemon(t, start(t, cmd), "ctr", "--address", socket, "version")
	return []string{"--address", socket}
}

// awaitDaemon waits until a command works that asks a daemon for something.
func awaitDaemon(t *testing.T, daemon *process, name string, args ...string) {
	t.Helper()
	testkit.Await(t, filepath.Base(daemon.cmd.Path)+" answers", func() bool {
		select {
		case <-daemon.done:
			t.Fatalf("%s ended with %v", daemon.cmd.Path, daemon.cmd.ProcessState)
		default:
		}
		return command(t, name, args...).Run() == nil
	})
}

// newImageOfClient makes an image in all the forms that clients push.
func newImageOfClient(t *testing.T, name string, content []byte) imageOfClient {
	t.Helper()
	dir := folderOfShortName(t)
	image := imageOfClient{layout: filepath.Join(dir, "layout"), rootfs: filepath.Join(dir, "rootfs.tar"), scratch: dir}
	if err := os.Mkdir(image.layout, 0o755); err != nil {
		t.Fatal(err)
	}
	image.digest = writeImage(t, image.layout, string(content))
	writeFile(t, image.rootfs, rootfs(t, string(content)), 0o644)
	writeFile(t, filepath.Join(dir, "Dockerfile"), []byte("ARG BASE=scratch\nFROM $BASE\nCOPY rootfs.tar /\n"), 0o644)
	image.chart = writeChart(t, dir, name, content)
	return image
}

// writeChart writes a chart of helm that has some content to dir, and returns its file.
func writeChart(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	write := func(file string, text []byte) {
		if err := files.WriteHeader(&tar.Header{Name: path.Join(name, file), Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		files.Write(text)
	}
	write("Chart.yaml", fmt.Appendf(nil, "apiVersion: v2\nname: %s\nversion: 1.0.0\n", name))
	const most = 4 << 20 // helm takes no larger file
	for i := 0; len(content) > 0; i++ {
		part := content[:min(most, len(content))]
		write(fmt.Sprintf("files/%d", i), part)
		content = content[len(part):]
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	zip.Close()
	file := filepath.Join(dir, name+"-1.0.0.tgz")
	writeFile(t, file, packed.Bytes(), 0o644)
	return file
}
