package watch

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// file makes a file of the given mode, whatever the umask.
func file(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	must(t, os.Chmod(path, mode))
	return path
}

func TestReadReturnsContentAndMode(t *testing.T) {
	text, mode, err := Read(file(t, "content", 0o640), Limits{MaxSize: 7, Secret: true})
	if text != "content" || mode != 0o640 || err != nil {
		t.Errorf("got %q, %v, %v", text, mode, err)
	}
}

func TestReadFollowsLinks(t *testing.T) {
	path := file(t, "content", 0o600)
	link := path + ".link"
	must(t, os.Symlink(path, link))
	text, _, err := Read(link, Limits{MaxSize: 100})
	if text != "content" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestReadJudgesTheMode(t *testing.T) {
	tests := []struct {
		mode   fs.FileMode
		secret bool
		want   string // part of the error, empty for none
	}{
		{0o600, true, ""},
		{0o640, true, ""},
		{0o644, false, ""},
		{0o644, true, "everybody may read it"},
		{0o604, true, "everybody may read it"},
		{0o660, false, "may write to it"},
		{0o602, false, "may write to it"},
		{0o666, true, "may write to it"},
	}
	for _, tt := range tests {
		_, _, err := Read(file(t, "x", tt.mode), Limits{MaxSize: 100, Secret: tt.secret})
		if tt.want == "" && err != nil {
			t.Errorf("mode %o, secret %v: %v", tt.mode, tt.secret, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("mode %o, secret %v: error %v, want %q", tt.mode, tt.secret, err, tt.want)
		}
	}
}

// A file that grows without end, or claims to be huge, must cost nothing.
func TestReadRefusesWhatIsTooLarge(t *testing.T) {
	sparse := file(t, "", 0o600)
	must(t, os.Truncate(sparse, 1<<40))
	for _, path := range []string{file(t, "12345", 0o600), sparse} {
		_, _, err := Read(path, Limits{MaxSize: 4})
		if err == nil || !strings.Contains(err.Error(), "larger than 4 bytes") {
			t.Errorf("got error %v", err)
		}
	}
}

// Files of /proc have size 0 and content all the same.
func TestReadIsBoundedWhereTheSizeIsNotTold(t *testing.T) {
	_, _, err := Read("/proc/self/status", Limits{MaxSize: 4})
	if err == nil || !strings.Contains(err.Error(), "larger than 4 bytes") {
		t.Errorf("got error %v", err)
	}
}

func TestReadRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	must(t, err)
	defer l.Close()
	for path, want := range map[string]string{
		dir:         "a directory",
		fifo:        "a pipe", // and does not wait for a writer
		"/dev/zero": "a device",
		socket:      "no such device", // says the kernel
	} {
		_, _, err := Read(path, Limits{MaxSize: 100})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

func TestReadTellsAMissingFile(t *testing.T) {
	_, _, err := Read(filepath.Join(t.TempDir(), "none"), Limits{MaxSize: 100})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that is fs.ErrNotExist", err)
	}
}

func TestReadRefusesWhatChangesMeanwhile(t *testing.T) {
	path := file(t, "", 0o600)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for text := strings.Repeat("x", 1<<20); ; {
			select {
			case <-stop:
				return
			default:
				_ = os.WriteFile(path, []byte(text), 0o600)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	testkit.Await(t, "a read meets a write", func() bool {
		_, _, err := Read(path, Limits{MaxSize: 1 << 20})
		return err != nil && strings.Contains(err.Error(), "changed while it was read")
	})
}
