package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dockerSecrets is the folder in which Docker mounts the secrets of a service.
const dockerSecrets = "/run/secrets/"

// isKubernetes reports whether Kubernetes mounted the file at path: its volumes of
// secrets and of configuration have a link "..data" to what they hold at present.
func isKubernetes(path string) bool {
	info, err := os.Lstat(filepath.Join(filepath.Dir(path), "..data"))
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func isDockerSecret(path string) bool { return strings.HasPrefix(path, dockerSecrets) }

// HowToClose says what to do about a file at path that everybody may read and that holds
// a secret. What is mounted has the mode that is written where it is mounted from:
// Kubernetes gives 0644 and Docker 0444 if none is.
func HowToClose(path string) string {
	switch {
	case isKubernetes(path):
		return "write defaultMode: 0440 in the volume of the pod, and in its securityContext an fsGroup that gatehouse is in"
	case isDockerSecret(path):
		return fmt.Sprintf("write mode: 0400 and uid: \"%d\" where the service names the secret, in its long form", os.Getuid())
	}
	return "run chmod o-r " + path
}

// howToOpen says what to do about a file at path that this user may not read, empty if
// that is not why err came.
func howToOpen(path string, err error) string {
	switch {
	case !errors.Is(err, fs.ErrPermission):
		return ""
	case isKubernetes(path):
		return fmt.Sprintf("; gatehouse runs as user %d: write an fsGroup in the securityContext of the pod, and defaultMode: 0440 in the volume", os.Getuid())
	case isDockerSecret(path):
		return fmt.Sprintf("; gatehouse runs as user %d: write uid: \"%[1]d\" beside the mode where the service names the secret, in its long form", os.Getuid())
	}
	return fmt.Sprintf("; gatehouse runs as user %d, which has to be able to read it", os.Getuid())
}
