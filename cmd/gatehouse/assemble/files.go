package assemble

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
)

// pair is a certificate with its key: the files and where they were named.
type pair struct {
	certFile, keyFile string
	certAt, keyAt     config.Place
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// checkPair checks that a certificate and its key can be used. It reads each by
// itself first, to say of either where it was named.
func (a *Assembly) checkPair(p pair) {
	cert, errCert := watch.ReadPEM(p.certFile)
	if errCert != nil {
		a.Report.Errorf(p.certAt, "certificate: %v", errCert)
	}
	if errCert == nil && strings.Contains(cert, "PRIVATE KEY-----") && !strings.Contains(cert, "BEGIN CERTIFICATE-----") {
		a.Report.Errorf(p.certAt, "this file holds a private key, and a certificate is wanted here: the two files are probably swapped")
		return
	}
	key, errKey := config.ReadSecret(config.Lead(p.keyFile))
	if errKey == nil && strings.Contains(key, "ENCRYPTED") {
		errKey = errors.New("it is encrypted, and nobody is there to type its password when gatehouse starts: write it without one, as openssl pkey -in KEY -out NEW does")
	}
	if errKey != nil {
		a.Report.Errorf(p.keyAt, "private key: %v", errKey)
	}
	if errCert != nil || errKey != nil {
		return
	}
	loaded, err := watch.LoadKeyPair(p.certFile, p.keyFile)
	switch {
	case err != nil:
		a.Report.Errorf(p.certAt, "%v", err)
	case time.Now().Add(soon).After(loaded.Leaf.NotAfter):
		a.Report.Warnf(p.certAt, "the certificate in %s expires on %s: renew it", p.certFile, loaded.Leaf.NotAfter.Format(time.RFC3339))
	}
}

// checkAuthorities checks a file with the certificates of authorities.
func (a *Assembly) checkAuthorities(path string, at config.Place) {
	if _, _, err := watch.ReadAuthorities(path); err != nil {
		a.Report.Errorf(at, "authorities: %v", err)
	}
}

// checkPlace checks that a file of that kind can come to be at path, which is named at
// a place. A folder that is not there may be made before the program starts, as systemd
// does for its services.
func (a *Assembly) checkPlace(at config.Place, path string, kind fs.FileMode) {
	folder := filepath.Dir(path)
	info, err := os.Stat(path)
	in, errIn := os.Stat(folder)
	switch {
	case path == "":
	case err == nil && (info.IsDir() || kind != 0 && info.Mode().Type() != kind):
		a.Report.Errorf(at, "%s is something else: move it away, or name another path", path)
	case errors.Is(errIn, fs.ErrNotExist):
		a.Report.Warnf(at, "there is no folder %s, and serve does not start without it: make it, unless something else does so before", folder)
	case errIn != nil:
		a.Report.Errorf(at, "the folder of %s cannot be used: %v", path, errIn)
	case !in.IsDir():
		a.Report.Errorf(at, "%s is no folder: name a file in one", folder)
	}
}
