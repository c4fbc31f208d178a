package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// kubernetesVolume makes a file as Kubernetes mounts it: behind two links, in a folder
// that is replaced as a whole.
func kubernetesVolume(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "..2026"), 0o755))
	target := filepath.Join(dir, "..2026", "password")
	must(t, os.WriteFile(target, []byte("x"), mode))
	must(t, os.Chmod(target, mode))
	must(t, os.Symlink("..2026", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/password", filepath.Join(dir, "password")))
	return filepath.Join(dir, "password")
}

// The modes that orchestrators give where none is written are refused, and chmod would
// not help: what they mount is read-only, and has its mode from elsewhere.
func TestReadAdvisesOnMountedSecrets(t *testing.T) {
	_, _, err := Read(kubernetesVolume(t, 0o644), Limits{MaxSize: 100, Secret: true})
	if err == nil || !strings.Contains(err.Error(), "everybody may read it (mode 0644)") || !strings.Contains(err.Error(), "defaultMode: 0440") || strings.Contains(err.Error(), "chmod") {
		t.Errorf("Kubernetes: %v", err)
	}
	if _, _, err := Read(kubernetesVolume(t, 0o440), Limits{MaxSize: 100, Secret: true}); err != nil {
		t.Errorf("Kubernetes, as advised: %v", err)
	}
	if got := HowToClose("/run/secrets/bind"); !strings.Contains(got, "mode: 0400 and uid:") || strings.Contains(got, "chmod") {
		t.Errorf("Docker: %q", got)
	}
	path := file(t, "x", 0o644)
	if got := HowToClose(path); got != "run chmod o-r "+path {
		t.Errorf("elsewhere: %q", got)
	}
}

// A secret that belongs to root alone is of no use to a gateway that is not root.
func TestReadAdvisesOnSecretsOfAnotherUser(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	for path, want := range map[string]string{
		kubernetesVolume(t, 0o400): "fsGroup",
		"/run/secrets/bind":        "write uid:",
		file(t, "x", 0o400):        "has to be able to read it",
	} {
		if got := howToOpen(path, denied); !strings.Contains(got, want) || !strings.Contains(got, "gatehouse runs as user ") {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := howToOpen("/run/secrets/bind", fs.ErrNotExist); got != "" {
		t.Errorf("of a file that is not there: %q", got)
	}
}
