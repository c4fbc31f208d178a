package ldap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
)

// crowdVariable is the number of groups that one user is in, in place of a few hundred:
//
//	GATEHOUSE_TEST_GROUPS=10000 go test ./backend/ldap -v -run InManyGroups
const crowdVariable = "GATEHOUSE_TEST_GROUPS"

// crowdNameLength is that of the DN of each of these groups.
const crowdNameLength = 300

// crowd is a directory's user who is in many groups.
type crowd struct {
	server *process
	user   string // the DN
	place  string // of the groups
	above  []string
	groups []string // the DNs
}

// newCrowd makes up names below the places that a directory has for users and groups.
func newCrowd(t testing.TB, user, place string) crowd {
	t.Helper()
	n := 300
	if text := os.Getenv(crowdVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	c := crowd{user: user, place: place}
	for i := range 4 {
		c.place = fmt.Sprintf("ou=division-%d-%s,%s", i, strings.Repeat("d", 37), c.place)
		c.above = append(c.above, c.place)
	}
	for i := range n {
		name := fmt.Sprintf("team-%05d-", i)
		name += strings.Repeat("t", crowdNameLength-len("cn=")-len(name)-len(",")-len(c.place))
		c.groups = append(c.groups, "cn="+name+","+c.place)
	}
	if name, _, _ := strings.Cut(c.groups[0], ","); len(name) > len("cn=")+64 {
		t.Fatalf("%s: Active Directory takes no name of more than 64 letters", name)
	}
	return c
}

// ldif returns the entries of the places and of the groups, each group with lines of
// its own that are made from its short name.
func (c crowd) ldif(class string, lines func(name string) string) string {
	var b strings.Builder
	for _, dn := range c.above {
		fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalUnit\n\n", dn)
	}
	for _, dn := range c.groups {
		name, _, _ := strings.Cut(strings.TrimPrefix(dn, "cn="), ",")
		fmt.Fprintf(&b, "dn: %s\nobjectClass: %s\ncn: %s\nmember: %s\n%s\n", dn, class, name, c.user, lines(name))
	}
	return b.String()
}

// memberOf returns what the server would keep in the entry of the user.
func (c crowd) memberOf() string {
	return "memberOf: " + strings.Join(c.groups, "\nmemberOf: ") + "\n"
}

func nothingElse(string) string { return "" }

// check logs the user in twice, of whom nothing is remembered. The first time, the
// directory reads the groups from its disk.
func (c crowd) check(t *testing.T, cfg Config) {
	t.Helper()
	for range 2 {
		c.logIn(t, cfg)
	}
}

func (c crowd) logIn(t *testing.T, cfg Config) {
	t.Helper()
	var mu sync.Mutex
	counted := map[string]int{}
	cfg.Observe = func(o backend.Operation) {
		mu.Lock()
		defer mu.Unlock()
		counted[o.Name]++
	}
	cfg.LoginTimeout, cfg.OperationTimeout = time.Minute, 30*time.Second // what it takes is reported, on however busy a machine
	b := open(t, cfg)
	start, own, others := time.Now(), ownTime(t), c.server.time(t)
	id, got := authenticate(t, b, "crowd", realPass)
	bound := time.Since(start)
	groups, err := b.Groups(t.Context(), id)
	took := time.Since(start)
	t.Logf("%d groups with DNs of %d bytes: login in %v, with groups in %v; processor time %v here and %v in the directory; %v",
		len(c.groups), crowdNameLength, bound, took, ownTime(t)-own, c.server.time(t)-others, counted)
	if got != "in" || err != nil {
		t.Fatalf("got %s, %v", got, err)
	}
	if asked := counted[opSearch]; asked > 20+len(c.groups)/8 {
		t.Errorf("it took %d searches for %d groups", asked, len(c.groups))
	}
	c.wantAll(t, groups)
}

// wantAll fails unless all groups are there, by either name.
func (c crowd) wantAll(t *testing.T, groups []string) {
	t.Helper()
	for _, dn := range c.groups {
		short, _, _ := strings.Cut(strings.TrimPrefix(dn, "cn="), ",")
		for _, name := range []string{canonicalDN(dn), short} {
			if _, found := slices.BinarySearch(groups, name); !found {
				t.Fatalf("%d names, without %s", len(groups), name)
			}
		}
	}
}

// ownTime returns the processor time that this process has used.
func ownTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestSlapdUserInManyGroups(t *testing.T) {
	c := newCrowd(t, uidDN("crowd"), "ou=groups,"+base)
	s := startSlapdWith(t, fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: crowd\ncn: crowd\nsn: crowd\nuserPassword: %s\n%s\n", c.user, realPass, c.memberOf())+
		c.ldif("groupOfNames", nothingElse))
	c.server = &s.process
	c.check(t, s.config(t))
}

func TestDS389UserInManyGroups(t *testing.T) {
	c := newCrowd(t, "uid=crowd,ou=people,ou=corp,"+base, "ou=groups,ou=corp,"+base)
	text := string(readText(t, "testdata/389ds.ldif")) + "\n" + fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nobjectClass: inetUser\nuid: crowd\ncn: crowd\nsn: crowd\nuserPassword: %s\n", c.user, realPass)
	s := startDS389With(t, text+c.memberOf()+"\n"+c.ldif("groupOfNames", nothingElse))
	c.server = &s.process
	c.check(t, s.config("389ds", "cn=svc,ou=system,"+base, "ou=corp,"+base))
}

// tokenMax is about how many groups a user of Active Directory can be in: with more than
// 1,015 nobody can log in to Windows. Samba takes 1 ms of its processor for each group at
// the bind of a user, whoever asks for it: with 10,000 a login takes 12 s and its groups
// 4 s by memberOf, of which 1 s is spent here, and tokenGroups are not answered in time.
const tokenMax = 1000

func TestSambaUserInManyGroups(t *testing.T) {
	c := newCrowd(t, "CN=crowd,OU=People,"+realBase, "OU=Groups,"+realBase)
	c.groups = c.groups[:min(len(c.groups), tokenMax)]
	s := startSambaWith(t, fmt.Sprintf("dn: %s\nobjectClass: user\nsAMAccountName: crowd\n\n", c.user)+
		c.ldif("group", func(name string) string { return "sAMAccountName: " + name[:len("team-00000")] + "\n" }))
	c.server = &s.process
	cfg := s.config(t)
	for _, mode := range []string{groupsTokens, groupsMemberOf} {
		t.Run(mode, func(t *testing.T) {
			cfg.GroupMode = mode
			c.check(t, cfg)
		})
	}
}

func readText(t testing.TB, elements ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
