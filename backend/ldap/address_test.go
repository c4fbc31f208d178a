package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// site is a directory of several servers, each at an address of one name.
type site struct {
	authority *ldaptest.Authority
	port      string
	config    Config

	mu    sync.Mutex
	hosts []netip.Addr // that the name has
}

// siteName is the name of all servers of a site.
const siteName = "directory.example"

// newSite starts a healthy server at 127.0.0.1, the address that the name has.
func newSite(t testing.TB) (*site, *ldaptest.Server) {
	t.Helper()
	authority, err := ldaptest.NewAuthority("site")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{authority: authority, port: "0"}
	healthy := s.start(t, "127.0.0.1", siteName)
	_, s.port, err = net.SplitHostPort(strings.TrimPrefix(healthy.URL("ldaps"), "ldaps://"))
	if err != nil {
		t.Fatal(err)
	}
	s.config = configFor(t, healthy)
	s.config.ConnectTimeout, s.config.OperationTimeout, s.config.aliveTimeout = 0, 0, 0 // the usual ones: servers are sick
	s.config.CAFile = writeFile(t, "site.pem", authority.PEM())
	s.config.URLs = []string{"ldaps://" + siteName + ":" + s.port}
	s.config.names.hosts = func(context.Context, string, string) ([]netip.Addr, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.hosts) == 0 {
			return nil, &net.DNSError{Err: "no such host", Name: siteName, IsNotFound: true}
		}
		return slices.Clone(s.hosts), nil
	}
	s.at("127.0.0.1")
	return s, healthy
}

// start starts a server with a certificate for a name.
func (s *site) start(t testing.TB, ip, name string) *ldaptest.Server {
	t.Helper()
	pair, err := s.authority.Issue(name, "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, ldaptest.Config{LDAPS: net.JoinHostPort(ip, s.port), Certificate: &pair})
}

// at sets the addresses that the name has.
func (s *site) at(ips ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts = nil
	for _, ip := range ips {
		s.hosts = append(s.hosts, netip.MustParseAddr(ip))
	}
}

// sickness is what a server may do to whoever connects.
type sickness struct {
	name string
	fall func(t testing.TB, address string, s *site)
}

// sicknesses are the ways in which an address can be bad.
func sicknesses() []sickness {
	always := func(f ldaptest.Fault) func(testing.TB, string, *site) {
		return func(t testing.TB, address string, s *site) {
			ip, _, _ := net.SplitHostPort(address)
			s.start(t, ip, siteName).OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.Connect {
					return ldaptest.Fault{}
				}
				return f
			})
		}
	}
	return []sickness{
		{"refuses", func(testing.TB, string, *site) {}},
		{"drops SYN", dropConnections},
		{"hangs after connect", func(t testing.TB, address string, _ *site) { listen(t, address) }},
		{"has another certificate", func(t testing.TB, address string, s *site) {
			ip, _, _ := net.SplitHostPort(address)
			s.start(t, ip, "other.example")
		}},
		{"is busy", always(ldaptest.Fault{Answer: &ldaptest.Answer{Code: 51}})},
		{"hangs after TLS", always(ldaptest.Fault{Hang: true})},
	}
}

// listen has the system take connections, of which nobody takes notice.
func listen(t testing.TB, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// dropConnections has the system take no notice of attempts to connect to an address,
// as a firewall does: the queue of those who wait to be accepted is full.
func dropConnections(t testing.TB, address string, _ *site) {
	t.Helper()
	at := netip.MustParseAddrPort(address)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue is never full")
}

// firstLogin is how long the first login may take, and the slack of a busy machine.
func firstLogin(c Config) time.Duration { return c.complete().ConnectTimeout + time.Second + slack }

// One address that is sick costs no login, and none but the first any time.
func TestLDAP1OneBadAddress(t *testing.T) {
	for i, sick := range sicknesses() {
		t.Run(sick.name, func(t *testing.T) {
			t.Parallel()
			s, healthy := newSite(t)
			bad := fmt.Sprintf("127.0.1.%d", i+1)
			sick.fall(t, net.JoinHostPort(bad, s.port), s)
			s.at(bad, "127.0.0.1")
			b := open(t, s.config)
			began := time.Now()
			if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
				t.Fatalf("the first login: got %s", got)
			}
			if took := time.Since(began); took > firstLogin(s.config) {
				t.Errorf("the first login took %v", took)
			}
			for range 20 {
				if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
					t.Errorf("a later login: got %s", got)
				}
			}
			until(t, func() bool { return b.directory.known()[0].breaker.state() != nil })
			if status := b.Status(); status.Degraded || !status.Servers[0].Down || status.Servers[1].Down {
				t.Errorf("got %+v", status)
			}
			if n := userBinds(healthy); n != 21 {
				t.Errorf("the user was bound %d times, want once for each login", n)
			}
		})
	}
}

// Whatever is wrong with all servers but one, that one is found.
func TestLDAP1OneGoodAddressOfMany(t *testing.T) {
	for _, scheme := range []string{"account", "anonymous"} {
		for _, order := range []string{"last", "middle"} {
			t.Run(scheme+" "+order, func(t *testing.T) {
				t.Parallel()
				s, _ := newSite(t)
				var ips []string
				for i, sick := range sicknesses() {
					ip := fmt.Sprintf("127.0.2.%d", i+1)
					sick.fall(t, net.JoinHostPort(ip, s.port), s)
					ips = append(ips, ip)
				}
				if order == "last" {
					slices.Reverse(ips) // the one that hangs at the bind is the first
					s.at(append(ips, "127.0.0.1")...)
				} else {
					s.at(slices.Insert(ips, 3, "127.0.0.1")...)
				}
				if scheme == "anonymous" {
					s.config.BindDN, s.config.BindPassword = "", nil
				}
				b := open(t, s.config)
				began := time.Now()
				want := map[string]string{"account": "in", "anonymous": "fault"}[scheme] // an answer: it may not search
				if _, got := authenticate(t, b, "alice", alicePass); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if took := time.Since(began); took > firstLogin(s.config) {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// Many logins at once, before anything is known of the servers, all succeed.
func TestLDAP1ManyFirstLogins(t *testing.T) {
	s, _ := newSite(t)
	s.config.Log = nil
	sicknesses()[2].fall(t, net.JoinHostPort("127.0.3.1", s.port), s)
	s.at("127.0.3.1", "127.0.0.1")
	b := open(t, s.config)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			began := time.Now()
			if got := verdictOf(b, "alice", alicePass); got != "in" {
				t.Errorf("got %s", got)
			}
			if took := time.Since(began); took > firstLogin(s.config) {
				t.Errorf("it took %v", took)
			}
		})
	}
	wg.Wait()
}

// A server that gets sick while connections to it are kept costs nobody a login
// either, nor a bind at two servers.
func TestLDAP1ServerThatFallsSick(t *testing.T) {
	for name, fault := range map[string]ldaptest.Fault{"hangs": {Hang: true}, "closes": {Close: true}, "resets": {Reset: true}, "is busy": {Answer: &ldaptest.Answer{Code: 51}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, healthy := newSite(t)
			first := s.start(t, "127.0.4.1", siteName)
			s.at("127.0.4.1", "127.0.0.1")
			b := open(t, s.config)
			authenticate(t, b, "alice", alicePass)
			first.OnRequest(func(r ldaptest.Request) ldaptest.Fault { return fault })
			began := time.Now()
			if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
				t.Errorf("got %s", got)
			}
			if took := time.Since(began); took > firstLogin(s.config) {
				t.Errorf("it took %v", took)
			}
			if n := userBinds(healthy); n != 1 {
				t.Errorf("there were %d binds at the healthy server, want one", n)
			}
		})
	}
}

// What DNS says of a name counts again and again.
func TestLDAP1NameMoves(t *testing.T) {
	s, first := newSite(t)
	b := open(t, s.config)
	authenticate(t, b, "alice", alicePass)
	old := b.directory.known()[0]
	second := s.start(t, "127.0.5.1", siteName)
	s.at("127.0.5.1", "127.0.0.1")
	forget(b)
	b.directory.resolve(t.Context())
	known := b.directory.known()
	if len(known) != 2 || known[0] != old || known[1].address.ip != netip.MustParseAddr("127.0.5.1") {
		t.Errorf("got %v, want the old server with its connections, and the new one", known)
	}
	s.at("127.0.5.1")
	first.Stop()
	forget(b)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("after the move: got %s", got)
	}
	until(t, func() bool { return old.ctx.Err() != nil })
	if n := userBinds(second); n != 1 {
		t.Errorf("there were %d binds at the new server, want one", n)
	}
	// A name that DNS has forgotten keeps its servers.
	s.at()
	forget(b)
	b.directory.resolve(t.Context())
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("without DNS: got %s", got)
	}
	if b.directory.isResolved() {
		t.Error("DNS is not asked again soon")
	}
}

// A login that all known servers failed asks DNS for others.
func TestLDAP1LoginAfterAllServersMoved(t *testing.T) {
	s, first := newSite(t)
	b := open(t, s.config)
	authenticate(t, b, "alice", alicePass)
	s.start(t, "127.0.5.2", siteName)
	s.at("127.0.5.2")
	first.Stop()
	forget(b)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s", got)
	}
}

// forget has DNS asked again although it was asked a moment ago.
func forget(b *Backend) {
	b.directory.mu.Lock()
	defer b.directory.mu.Unlock()
	b.directory.asked = time.Now().Add(-time.Hour)
}

func TestLDAP1NameThatIsNotResolvedIsAServer(t *testing.T) {
	s, _ := newSite(t)
	s.at()
	s.config.ConnectTimeout = time.Second
	b := open(t, s.config)
	if got := b.Status(); len(got.Servers) != 1 || got.Servers[0].Address != s.config.URLs[0] {
		t.Errorf("got %+v", got)
	}
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("got %s", got)
	}
	s.at("127.0.0.1")
	until(t, func() bool { forget(b); return verdictOf(b, "alice", alicePass) == "in" })
	if got := b.Status(); len(got.Servers) != 1 || got.Servers[0].Address != s.config.URLs[0]+" (127.0.0.1)" {
		t.Errorf("got %+v", got)
	}
}

// Both families are tried by turns, and an address of IPv6 may stand in the
// configuration.
func TestLDAP1BothFamilies(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		testkit.Missing(t, "this machine has no IPv6")
	} else {
		l.Close()
	}
	s, _ := newSite(t)
	six := s.start(t, "::1", siteName)
	s.at("2001:db8::1", "2001:db8::2", "::1", "127.0.6.1", "127.0.0.1")
	b := open(t, s.config)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("by name: got %s", got)
	}
	var order []string
	for _, server := range b.directory.known() {
		order = append(order, server.address.ip.String())
	}
	if want := []string{"2001:db8::1", "127.0.6.1", "2001:db8::2", "127.0.0.1", "::1"}; !slices.Equal(order, want) {
		t.Errorf("got order %q, want %q", order, want)
	}
	s.config.URLs = []string{"ldaps://[::1]:" + s.port}
	before := userBinds(six)
	b = open(t, s.config)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" || userBinds(six) != before+1 {
		t.Errorf("by address: got %s", got)
	}
	if got := b.Status().Servers[0].Address; got != s.config.URLs[0] {
		t.Errorf("it is called %q", got)
	}
}

// The certificate is for the name, not for the address.
func TestLDAP1CertificateIsForTheName(t *testing.T) {
	s, _ := newSite(t)
	s.config.URLs = []string{"ldaps://elsewhere.example:" + s.port} // whose address the certificate has
	_, err := open(t, s.config).Authenticate(t.Context(), "alice", alicePass)
	if verdict(err) != "unavailable" || !strings.Contains(err.Error(), "elsewhere.example") {
		t.Errorf("got %v", err)
	}
}

// Each address of an SRV target is a server too.
func TestLDAP1AddressesOfSRVTargets(t *testing.T) {
	s, _ := newSite(t)
	port, err := net.LookupPort("tcp", s.port)
	if err != nil {
		t.Fatal(err)
	}
	s.config.URLs = []string{"srv:_ldaps._tcp.example"}
	s.config.names.srv = func(context.Context, string, string, string) (string, []*net.SRV, error) {
		return "", []*net.SRV{{Target: siteName + ".", Port: uint16(port)}}, nil
	}
	listen(t, net.JoinHostPort("127.0.7.1", s.port))
	s.at("127.0.7.1", "127.0.0.1")
	b := open(t, s.config)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s", got)
	}
	if got := b.Status().Servers; len(got) != 2 || got[1].Address != "ldaps://"+siteName+":"+s.port+" (127.0.0.1)" {
		t.Errorf("got %+v", got)
	}
}

// The doctor looks at each address by itself.
func TestLDAP1ExaminationOfEveryAddress(t *testing.T) {
	s, _ := newSite(t)
	s.start(t, "127.0.8.1", "other.example")
	s.at("127.0.8.1", "127.0.0.1", "127.0.8.2")
	s.config.Log = nil
	lines := map[string]bool{}
	for _, f := range examine(t, s.config, backend.Examination{}) {
		lines[f.Step+" "+f.Subject] = !f.Failed
	}
	at := func(ip string) string { return s.config.URLs[0] + " (" + ip + ")" }
	for line, want := range map[string]bool{
		"TCP " + at("127.0.8.1"): true, "TLS " + at("127.0.8.1"): false,
		"TCP " + at("127.0.0.1"): true, "TLS " + at("127.0.0.1"): true,
		"TCP " + at("127.0.8.2"): false,
	} {
		if got, ok := lines[line]; !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", line, got, ok, want)
		}
	}
}

// A guess at the password of the service account that a silent server keeps waiting
// does not keep other servers waiting, nor makes more than one other guess possible.
func TestLDAP1SilentServerKeepsNoTurn(t *testing.T) {
	t.Parallel()
	s, healthy := newSite(t)
	var guesses atomic.Int64
	for i := range 4 {
		s.start(t, fmt.Sprintf("127.0.9.%d", i+1), siteName).OnRequest(func(r ldaptest.Request) ldaptest.Fault {
			if r.Kind == ldaptest.Bind {
				guesses.Add(1)
			}
			return ldaptest.Fault{Hang: r.Kind == ldaptest.Bind}
		})
	}
	s.at("127.0.9.1", "127.0.9.2", "127.0.9.3", "127.0.9.4")
	s.config.LoginTimeout = 2 * time.Second
	b := open(t, s.config)
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("got %s", got)
	}
	if n := guesses.Load(); n > 2 {
		t.Errorf("there were %d guesses at once, want 2 at most", n)
	}
	if n := healthy.Count(ldaptest.Bind); n != 0 {
		t.Errorf("there were %d binds at a server that the name does not have", n)
	}
}

// The bind of a user, which is not repeated, does not go to a server of which it is being
// found out whether it answers, nor to one that was given up meanwhile, because the one
// that answers is slow to connect to.
func TestLDAP1BindAvoidsAServerInDoubt(t *testing.T) {
	for _, isGivenUp := range []bool{false, true} {
		t.Run(fmt.Sprintf("given up %v", isGivenUp), func(t *testing.T) {
			t.Parallel()
			sick, healthy, c := twoServers(t)
			c.headStart = time.Minute // nobody connects to the healthy one yet
			b := open(t, c)
			authenticate(t, b, "alice", alicePass)
			b.directory.config.headStart = time.Millisecond
			binding := make(chan struct{}) // closed when the user's bind is on its way
			goOn := sync.OnceFunc(func() { close(binding) })
			t.Cleanup(goOn)
			sick.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.Bind && r.DN == svcDN { // a look whether it answers
					<-binding
					if !isGivenUp {
						return ldaptest.Fault{Hang: true}
					}
				}
				return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 51}}
			})
			var connections atomic.Int64
			healthy.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.Connect && connections.Add(1) == 2 { // after that of the search
					goOn()
					time.Sleep(200 * time.Millisecond)
				}
				return ldaptest.Fault{}
			})
			if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "in" {
				t.Errorf("got %s", got)
			}
			if n := userBinds(healthy); n != 1 {
				t.Errorf("there were %d binds at the healthy server, want one", n)
			}
		})
	}
}
