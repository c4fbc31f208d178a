package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/internal/testkit"
)

// testDaemon is a daemon that runs on files which the test may change.
type testDaemon struct {
	*daemon
	dir  string
	said *testkit.Buffer
	stop func()
}

// daemonConfig is a configuration in front of UPSTREAM. Tests replace parts of it.
const daemonConfig = `
listen = ["127.0.0.1:0"]

[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"

[[backend]]
name = "other"
type = "htpasswd"
users_file = "users"

[[backend]]
name = "both"
type = "chain"
member = [{ backend = "local" }, { backend = "other" }]

[[route]]
path = "/v2/"
upstream = "UPSTREAM"
backend = "local"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]

[[route]]
path = "/both/"
upstream = "UPSTREAM"
backend = "both"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// startDaemon runs a daemon on daemonConfig until the test ends.
func startDaemon(t *testing.T) *testDaemon {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	t.Cleanup(upstream.Close)
	td := &testDaemon{dir: t.TempDir(), said: new(testkit.Buffer)}
	td.write(t, "users", userLine(t, "alice")+userLine(t, "bob"))
	td.write(t, "config.toml", strings.ReplaceAll(daemonConfig, "UPSTREAM", upstream.URL))
	var err error
	if td.daemon, err = newDaemon(td.fileSource(), td.said, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := td.gateway.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { td.follow(ctx) })
	running.Go(func() { td.gateway.Serve(ctx) })
	td.stop = sync.OnceFunc(func() {
		end()
		td.gateway.Close()
		running.Wait()
		td.close()
	})
	t.Cleanup(td.stop)
	return td
}

func (td *testDaemon) fileSource() configSource {
	path := filepath.Join(td.dir, "config.toml")
	return configSource{path, path, func() (*config.Document, error) { return loadConfig(path, nil) }}
}

// userLine returns a line of a password file, for a user whose password is "secret".
func userLine(t *testing.T, user string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + string(hash) + "\n"
}

// write replaces a file as editors do, by a rename.
func (td *testDaemon) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(td.dir, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// edit replaces a part of the configuration, and does not wait for anything.
func (td *testDaemon) edit(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(td.dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the configuration has no %q", old)
	}
	td.write(t, "config.toml", strings.Replace(string(text), old, new, 1))
}

// reloads edits the configuration and has it read.
func (td *testDaemon) reloads(t *testing.T, old, new string) {
	t.Helper()
	td.edit(t, old, new)
	if err := td.Reload(t.Context()); err != nil {
		t.Fatalf("reload with %q in place of %q: %v", new, old, err)
	}
}

// get asks for a path as a user, and returns the status of the answer.
func (td *testDaemon) get(t *testing.T, path, user string) int {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+td.gateway.Addrs()[0].String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, "secret")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A login that is remembered is remembered after the rules have changed, and asks
// nobody.
func TestCachedLoginOutlivesAReloadOfTheRules(t *testing.T) {
	td := startDaemon(t)
	state := func() backend.CacheState {
		var call backend.Call
		ctx := backend.WithCall(t.Context(), &call)
		if _, err := td.current.Load().Gateway.Routes[0].Backend.Authenticate(ctx, "alice", "secret"); err != nil {
			t.Fatal(err)
		}
		return call.Cache
	}
	state()
	td.reloads(t, `require = ["valid-user"]`, `require = ["user alice"]`)
	if got := state(); got != backend.CacheHit {
		t.Errorf("after a reload of the rules: %q, want a hit", got)
	}
	td.reloads(t, "[[backend]]", "[cache]\nsize = 7\n\n[[backend]]")
	if got := state(); got != backend.CacheMiss {
		t.Errorf("after a reload of the cache: %q, want a miss", got)
	}
}

func TestReloadTakesRightsAway(t *testing.T) {
	td := startDaemon(t)
	if got := td.get(t, "/v2/team/tags/list", "bob"); got != 200 {
		t.Errorf("before: status %d", got)
	}
	td.reloads(t, `require = ["valid-user"]`, `require = ["user alice"]`)
	if got := td.get(t, "/v2/team/tags/list", "bob"); got != 403 {
		t.Errorf("without the right: status %d", got)
	}
	text, _ := os.ReadFile(filepath.Join(td.dir, "users"))
	td.write(t, "other-users", strings.Split(string(text), "\n")[1]+"\n")
	td.reloads(t, `users_file = "users"`, `users_file = "other-users"`)
	if got := td.get(t, "/v2/", "alice"); got != 401 {
		t.Errorf("without the account, which was cached: status %d", got)
	}
}

func TestBrokenConfigurationLeavesTheOldOneInUse(t *testing.T) {
	td := startDaemon(t)
	good := td.Status()
	for name, tt := range map[string]struct {
		old, new, want string
		code           fault.Code
	}{
		"syntax":          {"[[route]]", "[[route]", "config.toml:", "config.syntax"},
		"unknown key":     {"users_file", "users_fil", `did you mean "users_file"`, "config.unknown_key"},
		"missing file":    {`users_file = "users"`, `users_file = "gone"`, "gone", "file.missing"},
		"unknown backend": {`backend = "local"`, `backend = "lokal"`, "lokal", "config.invalid"},
		"failing test":    {"[[route]]", "[[test]]\nuser = \"bob\"\nrequest = \"GET /v2/\"\nexpect = \"deny\"\n\n[[route]]", "want deny, and the answer is allow", "config.test_failed"},
		"changed listen":  {"127.0.0.1:0", "127.0.0.1:1", "needs a restart", "reload.needs_restart"},
		"no certificate": {`listen = ["127.0.0.1:0"]`, "listen = [\"127.0.0.1:0\"]\nlog_level = \"debug\"\n[tls]\ncert_file = \"x\"\nkey_file = \"y\"\n",
			"no such file", "file.missing"},
	} {
		before, text := td.Status(), mustRead(t, filepath.Join(td.dir, "config.toml"))
		td.edit(t, tt.old, tt.new)
		err := td.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, tt.want)
		}
		if got := fault.Of(err); got != tt.code || !strings.Contains(td.said.String(), "code="+string(tt.code)) {
			t.Errorf("%s: code %q, want %q, in the log too", name, got, tt.code)
		}
		s := td.Status()
		if s.Err == nil || s.Failures <= before.Failures || s.Hash != good.Hash {
			t.Errorf("%s: status %+v", name, s)
		}
		if got := td.get(t, "/v2/", "alice"); got != 200 {
			t.Errorf("%s: status %d", name, got)
		}
		if td.level.Level() != levelOf("info") {
			t.Errorf("%s: the level of the log has changed", name)
		}
		td.write(t, "config.toml", text)
		if err := td.Reload(t.Context()); err != nil {
			t.Fatalf("%s: mended: %v", name, err)
		}
	}
	if s := td.Status(); s.Err != nil {
		t.Errorf("after all was mended: %v", s.Err)
	}
	if !strings.Contains(td.said.String(), "configuration not reloaded; the old one stays in use") {
		t.Error("the log does not tell of it")
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A file of users that cannot be used is an error of the configuration like any other,
// though its backend goes on with what it has read before.
func TestBrokenFileOfUsersFailsTheReload(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"", "no colon\n"} {
		td := startDaemon(t)
		td.write(t, "users", broken)
		err := td.Reload(t.Context())
		if refused := new(config.Error); !errors.As(err, &refused) || !strings.Contains(err.Error(), "users_file") {
			t.Errorf("reload with the users %q: got %v, want an error about the file", broken, err)
		}
		if status := td.Status(); status.Err == nil {
			t.Errorf("the status with the users %q: no error", broken)
		}
		if got := td.get(t, "/v2/", "bob"); got != 200 {
			t.Errorf("bob, who was a user before: %d, want 200", got)
		}
		td.write(t, "users", userLine(t, "alice"))
		testkit.Await(t, "the mended file is read without being asked", func() bool { return td.Status().Err == nil })
		if got := td.get(t, "/v2/", "bob"); got != 401 {
			t.Errorf("bob, who is none now: %d, want 401", got)
		}
	}
}

// What is wrong with a configuration is shown to whoever can connect, and must not
// tell who the users are, or what somebody has put into the file by mistake.
func TestStatusOfAFailedReloadNamesNobody(t *testing.T) {
	td := startDaemon(t)
	config, err := os.ReadFile(filepath.Join(td.dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a test that fails":  string(config) + "\n[[test]]\nuser = \"carol\"\nrequest = \"pull team/app\"\nexpect = \"deny\"\n",
		"a requirement":      strings.Replace(string(config), `"valid-user"`, `"user 'carol smith'"`, 1),
		"a secret":           "bind_pw = \"CANARY\"\n" + string(config),
		"a secret elsewhere": string(config) + "\nmember = \"CANARY\"\n",
		"a table":            string(config) + "\n[[carols]]\nuser = \"carol\" \"CANARY\"\n",
	} {
		td.write(t, "config.toml", text)
		err := td.Reload(t.Context())
		if err == nil {
			t.Fatalf("%s: the configuration is accepted", name)
		}
		shown := td.describe().LastReload.Error
		if strings.Contains(shown, "carol ") || strings.Contains(shown, "CANARY") || !strings.Contains(shown, "config.toml:") {
			t.Errorf("%s: the status says\n%s", name, shown)
		}
	}
	td.write(t, "config.toml", string(config))
	td.write(t, "users", "carol\n")
	td.Reload(t.Context())
	if shown := td.describe().LastReload.Error; shown == "" || strings.Contains(shown, "carol") {
		t.Errorf("a file of users: the status says\n%s", shown)
	}
	td.current.Load().Config.Admin.ShowUsers = true
	if shown := td.describe().LastReload.Error; !strings.Contains(shown, "no colon in it") {
		t.Errorf("with show_users the status says\n%s\nwant all", shown)
	}
}

func TestChangedListenNeedsARestart(t *testing.T) {
	td := startDaemon(t)
	td.edit(t, "127.0.0.1:0", "127.0.0.1:1")
	if err := td.Reload(t.Context()); !errors.Is(err, gateway.ErrNeedsRestart) {
		t.Errorf("error %v", err)
	}
	testkit.Await(t, "what was opened for it is closed", func() bool {
		td.mu.Lock()
		defer td.mu.Unlock()
		return len(td.open) == 1
	})
}

func TestChangedLogLevelCountsAtOnce(t *testing.T) {
	td := startDaemon(t)
	td.reloads(t, "[[backend]]", "log_level = \"debug\"\n[[backend]]")
	if got := td.level.Level(); got != levelOf("debug") {
		t.Errorf("level %v", got)
	}
}

func TestChangedFileIsReadWithoutBeingAsked(t *testing.T) {
	t.Parallel()
	td := startDaemon(t)
	td.edit(t, `require = ["valid-user"]`, `require = ["user alice"]`)
	testkit.Await(t, "bob is out", func() bool { return td.get(t, "/v2/team/tags/list", "bob") == 403 })

	// It may vanish for a while, and the last good one goes on.
	if err := os.Remove(filepath.Join(td.dir, "config.toml")); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, "the lack of it is noticed", func() bool { return td.Status().Err != nil })
	if got := td.get(t, "/v2/team/tags/list", "alice"); got != 200 {
		t.Errorf("without the file: status %d", got)
	}
}

func TestFileThatIsMendedIsReadAgain(t *testing.T) {
	t.Parallel()
	td := startDaemon(t)
	path := filepath.Join(td.dir, "config.toml")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, "a file that everybody may write is refused", func() bool { return td.Status().Err != nil })
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, "it is taken again", func() bool { return td.Status().Err == nil })
}

// Log rotation sends signals at the same time as administrators do.
func TestSignalsReloadOneAfterTheOther(t *testing.T) {
	td := startDaemon(t)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			syscall.Kill(os.Getpid(), syscall.SIGHUP)
			if err := td.Reload(t.Context()); err != nil {
				t.Errorf("reload: %v", err)
			}
		})
	}
	asking.Wait()
	testkit.Await(t, "a signal has been followed", func() bool { return strings.Contains(td.said.String(), "cause=SIGHUP") })
	if s := td.Status(); s.Err != nil || s.Count < 22 || s.Failures != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestSignalAtTheStartIsFollowedLater(t *testing.T) {
	td := startDaemon(t)
	td.stop()
	d, err := newDaemon(td.fileSource(), td.said, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	if err := d.gateway.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	running.Go(func() { d.follow(ctx) })
	running.Go(func() { d.gateway.Serve(ctx) })
	testkit.Await(t, "it is followed", func() bool { return d.Status().Count > 1 })
}

func TestReloadAtTheEndIsRefused(t *testing.T) {
	td := startDaemon(t)
	over := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					td.Reload(context.Background())
				}
			}
		})
	}
	td.stop()
	close(over)
	asking.Wait()
	if err := td.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("error %v", err)
	}
	td.mu.Lock()
	defer td.mu.Unlock()
	if n := len(td.open); n != 0 {
		t.Errorf("%d assemblies are open still", n)
	}
}

func TestHashTellsConfigurationsApart(t *testing.T) {
	hash := func(text string) string { return parse(t, text, nil).Hash() }
	if a, b := hash(daemonConfig), hash(daemonConfig); a != b || a == "" {
		t.Errorf("one configuration has the hashes %q and %q", a, b)
	}
	if a, b := hash(daemonConfig), hash(daemonConfig+"\n"); a == b {
		t.Error("two configurations have the same hash")
	}
	before := hash(daemonConfig)
	t.Setenv("GATEHOUSE_LOG_LEVEL", "debug")
	if hash(daemonConfig) == before {
		t.Error("a variable of the environment makes no difference")
	}
}

// Every key that names a file to read is one whose change counts.
func TestNamedFilesAreAllThatAreRead(t *testing.T) {
	c := load(t, filepath.Join(workspace(t), "good/everything.toml"))
	named := fmt.Sprint(c.NamedFiles(config.Every))
	for _, want := range []string{"everything.toml", "cert.pem", "key.pem", "password", "files/users"} {
		if !strings.Contains(named, want) {
			t.Errorf("%s is not among %s", want, named)
		}
	}
}

// What something else follows is not among what the configuration's watcher follows.
func TestCODE5WatcherLeavesOutWhatIsFollowedElsewhere(t *testing.T) {
	c := load(t, filepath.Join(workspace(t), "good/everything.toml"))
	left := c.NamedFiles(config.Unfollowed)
	for _, path := range c.NamedFiles(config.Every) {
		name := filepath.Base(path)
		elsewhere := slices.Contains([]string{"users", "groups", "cert.pem", "key.pem", "ca.pem"}, name)
		if got := !slices.Contains(left, path); got && !elsewhere {
			t.Errorf("%s is left out, and nothing else follows it", path)
		}
	}
	for _, name := range []string{"everything.toml", "password"} {
		if !slices.ContainsFunc(left, func(path string) bool { return filepath.Base(path) == name }) {
			t.Errorf("%s is left out", name)
		}
	}
	for _, path := range left {
		if name := filepath.Base(path); name == "users" || name == "groups" {
			t.Errorf("%s is followed by its backend and watched too", path)
		}
	}
}

// A changed password file is read by its backend. The configuration is read again for
// it only if the last reload failed: then the file may be what was wrong.
func TestCODE5ChangedPasswordFileIsNoReload(t *testing.T) {
	t.Parallel()
	td := startDaemon(t)
	watched := func() bool { return slices.Contains(td.files.files(), filepath.Join(td.dir, "users")) }
	if watched() {
		t.Fatal("the password file is watched for the configuration too")
	}
	good := userLine(t, "alice") + userLine(t, "bob")
	td.write(t, "users", good+userLine(t, "carol"))
	testkit.Await(t, "the new user is let in", func() bool { return td.get(t, "/v2/", "carol") == http.StatusOK })
	if n := td.Status().Count; n != 1 {
		t.Errorf("the configuration has been read %d times", n)
	}

	td.write(t, "users", "no password file")
	if err := td.Reload(t.Context()); err == nil {
		t.Fatal("a reload with a password file that cannot be used has not failed")
	}
	if !watched() {
		t.Fatal("the file that a reload failed over is not watched")
	}
	td.write(t, "users", good)
	testkit.Await(t, "the mended file is read", func() bool { return td.Status().Err == nil })
	testkit.Await(t, "it is left to its backend again", func() bool { return !watched() })
}

// However often it reloads, and whatever changes, a program needs no more than one
// that has been started with the last configuration.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	const reloads = 100
	td := startDaemon(t)
	usage := func() (goroutines, descriptors int, heap uint64) {
		http.DefaultClient.CloseIdleConnections()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), len(entries), m.HeapAlloc
	}
	both := func() {
		td.reloads(t, `users_file = "users"`, `users_file = "./users"`) // other backends and caches
		td.reloads(t, `require = ["valid-user"]`, `require = ["user alice"]`)
		td.get(t, "/v2/", "alice")
		td.reloads(t, `require = ["user alice"]`, `require = ["valid-user"]`)
		td.edit(t, "127.0.0.1:0", "127.0.0.1:1")
		td.edit(t, `users_file = "./users"`, `users_file = "users"`)
		if err := td.Reload(t.Context()); !errors.Is(err, gateway.ErrNeedsRestart) {
			t.Fatalf("a reload that opens backends and is refused: %v", err)
		}
		td.reloads(t, "127.0.0.1:1", "127.0.0.1:0")
		td.get(t, "/v2/", "bob")
	}
	both()
	goroutines, descriptors, heap := usage()
	for range reloads / 4 {
		both()
	}
	testkit.Await(t, "goroutines and descriptors are as few as before", func() bool {
		g, d, _ := usage()
		return g <= goroutines && d <= descriptors
	})
	if _, _, now := usage(); now > heap+8<<20 {
		t.Errorf("the heap has grown from %d to %d bytes", heap, now)
	}
}
