package main

import (
	"context"
	"gatehouse/backend/watch"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// startWatch watches path until the test ends.
func startWatch(t *testing.T, path string) *fileWatch {
	t.Helper()
	w := newFileWatch(slog.New(slog.DiscardHandler))
	w.follow(watch.SumsOf([]string{path}))
	ctx, end := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.run(ctx)
	}()
	t.Cleanup(func() {
		end()
		<-over
		w.close()
	})
	return w
}

// expectChange waits until w tells of a change, much longer than that takes but not
// so long that it could be the look now and then.
func expectChange(t *testing.T, w *fileWatch, what string) {
	t.Helper()
	select {
	case <-w.changed:
	case <-time.After(lookEvery - 5*time.Second):
		t.Fatalf("%s: not noticed", what)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchNoticesEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put(t, path, "old")
	w := startWatch(t, path)

	put(t, path, "rewritten in place")
	expectChange(t, w, "rewritten in place")
	put(t, path+".new", "renamed to")
	succeed(t, os.Rename(path+".new", path))
	expectChange(t, w, "renamed to")
	succeed(t, os.Chmod(path, 0o640))
	expectChange(t, w, "another mode")
	succeed(t, os.Remove(path))
	expectChange(t, w, "removed")
	put(t, path, "there again")
	expectChange(t, w, "there again")
	succeed(t, os.Rename(dir, dir+".old"))
	succeed(t, os.Mkdir(dir, 0o700))
	t.Cleanup(func() { os.RemoveAll(dir + ".old") })
	expectChange(t, w, "its folder moved away")
}

// Kubernetes mounts "file" as a link to "..data/file" and "..data" as a link to a
// folder, and replaces all files at once by renaming another "..data".
func TestWatchNoticesASwappedKubernetesFolder(t *testing.T) {
	dir := t.TempDir()
	for version, text := range map[string]string{"..v1": "old", "..v2": "new", "..v3": "newer"} {
		succeed(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		put(t, filepath.Join(dir, version, "file"), text)
	}
	swap := func(version string) {
		succeed(t, os.Symlink(version, filepath.Join(dir, "..tmp")))
		succeed(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	swap("..v1")
	succeed(t, os.Symlink("..data/file", filepath.Join(dir, "file")))
	w := startWatch(t, filepath.Join(dir, "file"))
	swap("..v2")
	expectChange(t, w, "the first swap")
	succeed(t, os.RemoveAll(filepath.Join(dir, "..v1")))
	swap("..v3")
	expectChange(t, w, "the second swap")
	put(t, filepath.Join(dir, "..v3", "file"), "changed behind the links")
	expectChange(t, w, "a change behind the links")
}

// Log files and the like often are in the same folder, and are written all the time.
func TestWatchIsSilentAboutOtherFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put(t, path, "old")
	w := startWatch(t, path)
	for n := range 20 {
		put(t, filepath.Join(dir, "other"), strings.Repeat("x", n))
		time.Sleep(settleTime / 10)
	}
	put(t, path, "new") // is noticed although the folder never came to rest
	expectChange(t, w, "a change among others")
	select {
	case <-w.changed:
		t.Error("a second change was told of")
	case <-time.After(3 * settleTime):
	}
}

// What changes between reading and watching has changed all the same.
func TestWatchNoticesWhatChangedBeforeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	known := watch.SumsOf([]string{path})
	w := startWatch(t, path)
	put(t, path, "new")
	expectChange(t, w, "a change")
	w.follow(known)
	expectChange(t, w, "a change from what was known before it")
}

func TestSettleWaitsUntilFilesKeepStill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	w := newFileWatch(slog.New(slog.DiscardHandler))
	defer w.close()
	w.follow(watch.SumsOf([]string{path}))
	told := func() bool { return len(w.changed) == 1 }

	put(t, path, "ne")
	last := w.settle(watch.SumsOf(w.files()))
	if last != nil || !told() {
		t.Error("a file that kept still was not told of")
	}
	<-w.changed
	old := watch.SumsOf(w.files())
	put(t, path, "new")
	last = w.settle(old)
	if last == nil || told() {
		t.Error("a file that is being written was told of")
	}
	if w.settle(last) != nil || !told() {
		t.Error("it was not told of when it kept still")
	}
}

func TestWatchGoesOnWithoutWordFromTheKernel(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	w := startWatch(t, path)
	w.notify.Close() // as if its instances were used up
	put(t, path, "new")
	w.followed <- struct{}{} // in place of the next look
	expectChange(t, w, "a change")
}

func TestFoldersOfALinkedPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	succeed(t, err)
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, folder := range []string{"live", "archive/one", "etc"} {
		succeed(t, os.MkdirAll(in(folder), 0o700))
	}
	put(t, in("archive/one/cert1.pem"), "x")
	succeed(t, os.Symlink("../archive/one", in("live/one")))
	succeed(t, os.Symlink("cert1.pem", in("archive/one/cert.pem")))
	succeed(t, os.Symlink(in("live/one/cert.pem"), in("etc/cert.pem")))
	succeed(t, os.Symlink("loop", in("etc/loop")))
	for path, want := range map[string][]string{
		in("archive/one/cert1.pem"): {in("archive/one")},
		in("etc/cert.pem"):          {in("etc"), in("live"), in("archive/one"), in("archive/one")},
		in("etc/gone"):              {in("etc")},
		in("etc/none/gone"):         {in("etc/none")},
	} {
		if got := foldersOf(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if got := foldersOf(in("etc/loop")); !slices.Contains(got, in("etc")) || len(got) > maxLinks+1 {
		t.Errorf("a link to itself: %v", got)
	}
}

func TestReloadCommandSaysWhatCameOfIt(t *testing.T) {
	for name, tt := range map[string]struct {
		status       int
		answer       string
		args         []string
		code         int
		out, printed string
	}{
		"in use":          {200, `{"file":"config.toml","hash":"abc","seconds":0.0123}`, nil, 0, "config.toml is in use, as abc; it took 12.3ms\n", ""},
		"refused":         {422, `{"error":"config.toml:1:1: wrong\n    1 | x"}`, nil, 1, "", "config.toml:1:1: wrong\n    1 | x"},
		"in use, as JSON": {200, `{"file":"config.toml","hash":"abc","seconds":0.5}`, []string{"-o", "json"}, 0, `{"ok":true,"file":"config.toml","hash":"abc","seconds":0.5}` + "\n", ""},
		"refused as JSON": {422, `{"error":"wrong"}`, []string{"-o", "json"}, 1, `"ok":false`, "wrong"},
	} {
		socket := answerReloads(t, func() (int, string) { return tt.status, tt.answer })
		var out, diagnostics strings.Builder
		code := run(t.Context(), append([]string{"reload", "--socket", socket}, tt.args...), stdio{strings.NewReader(""), &out, &diagnostics})
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(diagnostics.String(), tt.printed) {
			t.Errorf("%s: code %d, %q and %q", name, code, out.String(), diagnostics.String())
		}
	}
}

func TestReloadCommandWithoutAGateway(t *testing.T) {
	dir := workspace(t)
	broken := filepath.Join(dir, "broken.toml")
	put(t, broken, "[[route]")
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no socket is known":          {[]string{"--config", filepath.Join(dir, "good/minimal.toml")}, 2, "[admin]"},
		"nobody answers":              {[]string{"--socket", filepath.Join(dir, "none.sock")}, 4, "is it running"},
		"the file has a syntax error": {[]string{"--config", broken}, 1, "broken.toml:1:"},
	} {
		var diagnostics strings.Builder
		code := run(t.Context(), append([]string{"reload"}, tt.args...), stdio{strings.NewReader(""), io.Discard, &diagnostics})
		if code != tt.code || !strings.Contains(diagnostics.String(), tt.want) {
			t.Errorf("%s: code %d and %q, want %d and %q", name, code, diagnostics.String(), tt.code, tt.want)
		}
	}
}

// answerReloads answers every request on a control socket, whose path it returns.
func answerReloads(t *testing.T, answer func() (status int, body string)) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", socket)
	succeed(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/reload" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		status, body := answer()
		w.WriteHeader(status)
		io.WriteString(w, body)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return socket
}
