package ldap

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// checkTransport tries on a real directory what the tests named after LDAP-1, LDAP-4
// and LDAP-10 do on one inside the process.
func (o office) checkTransport(t *testing.T) {
	t.Run("LDAP-1, one bad address", func(t *testing.T) { o.checkAddresses(t) })
	t.Run("LDAP-4, service account repaired", func(t *testing.T) { o.checkRepair(t) })
	t.Run("LDAP-10, forgotten connection", func(t *testing.T) { o.checkForgotten(t) })
}

// checkAddresses has the directory at the last of several addresses of one name, of
// which one after the other is sick, and then all.
func (o office) checkAddresses(t *testing.T) {
	a, err := parseAddress(o.config.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newSite(t)
	s.port = a.port
	var ips []string
	for i, sick := range sicknesses() {
		ip := fmt.Sprintf("127.3.0.%d", i+1)
		sick.fall(t, net.JoinHostPort(ip, a.port), s)
		ips = append(ips, ip)
	}
	for i := range len(ips) + 1 {
		bad := ips
		if i < len(ips) {
			bad = ips[i : i+1]
		}
		c := o.config
		c.URLs, c.ServerName = []string{"ldaps://corp.example:" + a.port}, a.host
		c.names.hosts = hostsAt(append(bad, a.host)...)
		b := open(t, c)
		for login := range 3 {
			began := time.Now()
			if _, got := authenticate(t, b, "alice", realPass); got != "in" {
				t.Errorf("%q, login %d: got %s", bad, login, got)
			}
			if took := time.Since(began); took > firstLogin(c) {
				t.Errorf("%q, login %d: it took %v", bad, login, took)
			}
		}
	}
}

// checkRepair locks the service account, or disables it, and takes that back.
func (o office) checkRepair(t *testing.T) {
	attribute, bad, good := "pwdAccountLockedTime", []string{lockedForGood}, []string(nil)
	switch o.anchor {
	case anchorAD:
		attribute, bad, good = "userAccountControl", []string{"514"}, []string{"512"}
	case anchor389:
		attribute, bad = "nsAccountLock", []string{"true"}
	}
	set := func(values []string) {
		m := ldap.NewModifyRequest(o.config.BindDN, nil)
		m.Replace(attribute, values)
		o.do(t, o.admin.Modify(m))
	}
	b := open(t, o.config)
	set(bad)
	defer set(good)
	if _, got := authenticate(t, b, "alice", realPass); got != "unavailable" {
		t.Errorf("while it is locked: got %s", got)
	}
	if left := time.Until(b.directory.account.next()); left <= 0 || left > stateWait {
		t.Errorf("it is held for %v, want %v at most", left, stateWait)
	}
	set(good)
	until(t, func() bool { return verdictOf(b, "alice", realPass) == "in" })
}

// checkForgotten has a firewall forget the connections that there are.
func (o office) checkForgotten(t *testing.T) {
	f := newForgetful(t, strings.TrimPrefix(o.config.URLs[0], "ldaps://"))
	a, err := parseAddress(o.config.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	c.URLs, c.ServerName = []string{"ldaps://" + f.Addr().String()}, a.host
	b := open(t, c)
	for range 3 {
		if _, got := authenticate(t, b, "alice", realPass); got != "in" {
			t.Errorf("got %s", got)
		}
		f.forget()
	}
}

// forgetful passes on connections, until it forgets them: then it swallows what comes.
type forgetful struct {
	net.Listener
	target string

	mu    sync.Mutex
	epoch int
}

func newForgetful(t *testing.T, target string) *forgetful {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := net.SplitHostPort(target); err != nil {
		target = net.JoinHostPort(target, "636")
	}
	f := &forgetful{Listener: l, target: target}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			epoch := f.now()
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				wg.Go(func() {
					defer client.Close()
					defer server.Close()
					io.Copy(forgetfulWriter{f, way[1], epoch}, way[0])
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return f
}

func (f *forgetful) now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
}

// forgetfulWriter is one direction of a connection that was made in an epoch.
type forgetfulWriter struct {
	of    *forgetful
	to    net.Conn
	epoch int
}

func (w forgetfulWriter) Write(b []byte) (int, error) {
	if w.of.now() != w.epoch {
		return len(b), nil
	}
	return w.to.Write(b)
}
