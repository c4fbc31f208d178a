package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptCost = 5 // what htpasswd -B takes when it is told no other
	userCount  = 8
	hostName   = "localhost"
)

// lab is what all servers share: certificate, users, upstream, and a folder
// that goes away with it. Its exported fields and methods are for the templates.
type lab struct {
	Dir      string
	Upstream string
	Users    []credential
	Root     bool // servers started by root are told which user to become

	accessLog bool
	blob      blob
	digest    string
	roots     *x509.CertPool
}

// credential is what a user logs in with: the token, if there is one.
type credential struct{ Name, Password, Token string }

func newLab(o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the folder to work in: %w", err)
	}
	b := newBlob(int64(o.blobMiB) << 20)
	l := &lab{Dir: dir, Root: os.Getuid() == 0, accessLog: o.accessLog, blob: b, digest: b.digest()}
	if err := l.fill(o.hash); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.Dir) }

func (l *lab) fill(hash string) error {
	// Workers that gave up root's rights still have to read the users' file.
	if err := os.Chmod(l.Dir, 0o755); err != nil {
		return fmt.Errorf("open the working folder to the servers' workers: %w", err)
	}
	for i := range userCount {
		l.Users = append(l.Users, credential{Name: fmt.Sprintf("user%d", i+1), Password: fmt.Sprintf("password-%d", i+1)})
	}
	if err := l.writeUsers(hash); err != nil {
		return err
	}
	if err := l.writeCertificate(); err != nil {
		return err
	}
	addr, err := freeAddress()
	l.Upstream = addr
	return err
}

// UsersFile is the htpasswd file.
func (l *lab) UsersFile() string { return filepath.Join(l.Dir, "htpasswd") }

// GroupsFile is the group file; it makes every user a pusher.
func (l *lab) GroupsFile() string { return filepath.Join(l.Dir, "groups") }

// CertFile is the certificate.
func (l *lab) CertFile() string { return filepath.Join(l.Dir, "tls.crt") }

// KeyFile is the key of the certificate.
func (l *lab) KeyFile() string { return filepath.Join(l.Dir, "tls.key") }

// PairFile is certificate and key in one.
func (l *lab) PairFile() string { return filepath.Join(l.Dir, "tls.pem") }

func (l *lab) writeUsers(hash string) error {
	var users, groups strings.Builder
	groups.WriteString("pusher:")
	for _, u := range l.Users {
		h, err := hashPassword(hash, u.Password)
		if err != nil {
			return fmt.Errorf("hash a password: %w", err)
		}
		fmt.Fprintf(&users, "%s:%s\n", u.Name, h)
		fmt.Fprintf(&groups, " %s", u.Name)
	}
	groups.WriteString("\n")
	if err := writeFile(l.UsersFile(), users.String(), 0o644); err != nil {
		return err
	}
	return writeFile(l.GroupsFile(), groups.String(), 0o644)
}

func hashPassword(kind, password string) (string, error) {
	if kind == "apr1" {
		return apr1(password, rand.Text()[:8]), nil
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
	// htpasswd writes $2y$, and crypt(3) knows it everywhere; the hash is the same.
	return strings.Replace(string(h), "$2a$", "$2y$", 1), err
}

func (l *lab) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: hostName},
		DNSNames:              []string{hostName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	return l.writePair(der, keyDER)
}

func (l *lab) writePair(certDER, keyDER []byte) error {
	var cert, key bytes.Buffer
	pem.Encode(&cert, &pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	pem.Encode(&key, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	l.roots = x509.NewCertPool()
	l.roots.AppendCertsFromPEM(cert.Bytes())
	if err := writeFile(l.CertFile(), cert.String(), 0o644); err != nil {
		return err
	}
	if err := writeFile(l.KeyFile(), key.String(), 0o600); err != nil {
		return err
	}
	return writeFile(l.PairFile(), cert.String()+key.String(), 0o600)
}

// clientTLS makes every server do the same work: TLS 1.3, the key exchange that
// all of them know, and, without a session cache, a full handshake each time.
func (l *lab) clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
		RootCAs:          l.roots,
		ServerName:       hostName,
	}
}

func writeFile(name, content string, mode os.FileMode) error {
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		return fmt.Errorf("write what the servers share: %w", err)
	}
	return nil
}

// freeAddress finds a port on the loopback interface that nobody uses.
func freeAddress() (string, error) {
	n, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return n.Addr().String(), n.Close()
}
