package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/backend/shown"
	"gatehouse/gateway/strict"
)

// URL is where an upstream is, as [ParseURL] reads it.
type URL struct {
	// Path is where the paths of a route begin there, escaped as in the URL. It may be
	// empty.
	Path string

	scheme           string // of what is spoken there: http or https
	network, address string // to connect to
	authority        string // as in the URL; empty for a socket
}

// forms is what to write.
const forms = "write http://HOST:PORT, https://HOST:PORT or unix:/PATH"

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// DefaultPort returns the port of a URL that names none, empty for an unknown scheme.
func DefaultPort(scheme string) string { return defaultPorts[scheme] }

// ParseURL reads the URL of an upstream. Its errors say what to write, and show the URL
// only where that cannot hold a password.
func ParseURL(raw string) (URL, error) {
	if path, ok := strings.CutPrefix(raw, "unix:"); ok {
		return parseSocket(path)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return URL{}, fmt.Errorf("the upstream is not a URL: %s", forms)
	case u.User != nil:
		return URL{}, errors.New("the upstream URL has a user or password in it, which every log would show: use upstream_user and upstream_password_file")
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return URL{}, fmt.Errorf("upstream %q has no scheme that is known: %s", shown.URL(raw), forms)
	case u.Hostname() == "":
		return URL{}, fmt.Errorf("upstream %q names no host: %s", shown.URL(raw), forms)
	case strings.ContainsAny(raw, "?#"):
		return URL{}, fmt.Errorf("upstream %q has more than scheme, host, port and path; %s", shown.URL(raw), forms)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return URL{}, fmt.Errorf("upstream %q: the port must be a number from 1 to 65535", shown.URL(raw))
		}
	}
	if _, err := strict.ParseHost(u.Host); err != nil {
		return URL{}, fmt.Errorf("upstream %q: %w", shown.URL(raw), err)
	}
	return URL{
		Path: u.EscapedPath(), scheme: u.Scheme, network: "tcp", authority: u.Host,
		address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), DefaultPort(u.Scheme))),
	}, nil
}

// parseSocket reads what stands behind "unix:", which may be written as in a URL with an
// empty host.
func parseSocket(path string) (URL, error) {
	path = strings.TrimPrefix(path, "//")
	switch {
	case path == "":
		return URL{}, fmt.Errorf("the upstream names no socket: %s", forms)
	case path[0] != '/':
		return URL{}, fmt.Errorf("upstream %q: the path of a socket begins with a slash: write unix:/PATH", "unix:"+path)
	}
	return URL{scheme: "http", network: "unix", address: path}, nil
}

// WithoutPath returns the URL of the service, which routes to different paths of it
// share.
func (u URL) WithoutPath() string {
	if u.network == "unix" {
		return "unix:" + u.address
	}
	return u.scheme + "://" + u.authority
}
