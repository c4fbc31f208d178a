package ldap

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend/ldap/ldaptest"
)

const configuration = "CN=Configuration," + base

// forest is adCompany with a configuration partition: of its own domain, of one for
// which there is no user base, and of the partition itself, which is no domain.
func forest(more ...ldaptest.Entry) []ldaptest.Entry {
	crossRef := func(cn, nc, dns, netbios string) ldaptest.Entry {
		e := ldaptest.Entry{DN: "CN=" + cn + ",CN=Partitions," + configuration, Attributes: map[string][]string{
			"objectClass": {"top", "crossRef"}, "nCName": {nc}, "dnsRoot": {dns},
		}}
		if netbios != "" {
			e.Attributes["nETBIOSName"] = []string{netbios}
		}
		return e
	}
	entries := append(adCompany(),
		ldaptest.Entry{DN: configuration},
		ldaptest.Entry{DN: "CN=Partitions," + configuration, Attributes: map[string][]string{
			"objectClass": {"top", "crossRefContainer"}, "uPNSuffixes": {"suffix.example"},
		}},
		crossRef("CORP", base, "corp.example", "CORP"), crossRef("SALES", "DC=sales,"+base, "sales.corp.example", "SALES"),
		crossRef("Enterprise Configuration", configuration, "corp.example", ""))
	return append(entries, more...)
}

// forestNames are names as people type them, and who that is without the key domains.
var forestNames = map[string]string{
	"alice": "alice", `CORP\alice`: "alice", `corp\ALICE`: "alice", `corp.example\alice`: "alice", "alice@CORP": "alice", "alice@corp.example": "alice",
	"alice@suffix.example": "alice", "alt.name@other.example": "altupn",
	`SALES\alice`: "unknown", "alice@sales.corp.example": "unknown", `OTHER\alice`: "unknown", "alice@other.example": "unknown",
	`CORP\CORP\alice`: "unknown", `CORP\`: "unknown", `\alice`: "unknown", `CORP\alice@corp.example`: "unknown",
}

func openForest(t testing.TB, s *ldaptest.Server) *Backend {
	c := adConfig(t, s)
	c.Domains = nil
	return open(t, c)
}

func wantNames(t *testing.T, b *Backend, want map[string]string) {
	t.Helper()
	for typed, want := range want {
		id, got := authenticate(t, b, typed, alicePass)
		if got == "in" {
			got = id.User
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// partitionSearches counts how often the configuration partition was asked.
func partitionSearches(s *ldaptest.Server) (n int) {
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Search && strings.Contains(r.DN, "Partitions") {
			n++
		}
	}
	return n
}

func TestLDAP6NamesOfDomainsAreLearnt(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: forest(), ActiveDirectory: true, Configuration: configuration})
	b := openForest(t, s)
	if n := len(s.Requests()); n != 0 {
		t.Errorf("New asked %d questions", n)
	}
	wantNames(t, b, forestNames)
	if n := partitionSearches(s); n != 1 {
		t.Errorf("the partition was asked %d times, want once", n)
	}
	if got := b.CanonicalUser(`CORP\Alice`); got != "alice" {
		t.Errorf("CanonicalUser: got %q", got)
	}
}

// Domains that are set by hand are all that there are.
func TestLDAP6DomainsOfTheConfigurationWin(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: forest(), ActiveDirectory: true, Configuration: configuration})
	c := adConfig(t, s)
	c.Domains = []string{"hand.example"}
	wantNames(t, open(t, c), map[string]string{`CORP\alice`: "unknown", `hand.example\alice`: "alice", "alice@hand.example": "alice", "alice@suffix.example": "unknown"})
	if n := partitionSearches(s); n != 0 {
		t.Errorf("the partition was asked %d times, want never", n)
	}
}

// An account that may not read the partition has the names that it had before, and an
// outage is none of them: it is not said that there is no such user.
func TestLDAP6WithoutThePartitionNothingIsLearnt(t *testing.T) {
	old := map[string]string{
		"alice": "alice", "alice@corp.example": "alice", `corp.example\alice`: "alice", `CORP\alice`: "unknown", "alice@suffix.example": "unknown", "alt.name@other.example": "altupn",
	}
	for name, c := range map[string]ldaptest.Config{
		"no name":   {Entries: forest(), ActiveDirectory: true},
		"no entry":  {Entries: adCompany(), ActiveDirectory: true, Configuration: configuration},
		"no domain": {Entries: append(adCompany(), ldaptest.Entry{DN: configuration}, ldaptest.Entry{DN: "CN=Partitions," + configuration}), ActiveDirectory: true, Configuration: configuration},
	} {
		t.Run(name, func(t *testing.T) { wantNames(t, openForest(t, start(t, c)), old) })
	}
	s := start(t, ldaptest.Config{Entries: forest(), ActiveDirectory: true, Configuration: configuration})
	b := openForest(t, s)
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if strings.Contains(r.DN, "Partitions") {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 3}} // timeLimitExceeded
		}
		return ldaptest.Fault{}
	})
	wantNames(t, b, map[string]string{`CORP\alice`: "unavailable", "alice@corp.example": "alice", "alice": "alice"})
}

// The same name may be the principal name of one and the account of another.
func TestLDAP6APrincipalNameComesBeforeAnAccount(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: forest(ldaptest.Entry{DN: "CN=other,CN=Users," + base, Password: alicePass, Attributes: map[string][]string{
		"objectClass": {"top", "person", "user"}, "objectCategory": {"person"}, "sAMAccountName": {"other"}, "userPrincipalName": {"alice@suffix.example"},
	}}), ActiveDirectory: true, Configuration: configuration})
	wantNames(t, openForest(t, s), map[string]string{"alice@suffix.example": "other", `CORP\alice`: "alice"})
}

// What was learnt is read again, and stays in use where it cannot be.
func TestLDAP6NamesOfDomainsAreReadAgain(t *testing.T) {
	c := Config{Preset: "activedirectory", UserBases: []string{base}, URLs: []string{"ldaps://127.0.0.1"}, BindDN: "cn=x", BindPassword: func() (string, error) { return "x", nil }}
	synctest.Test(t, func(t *testing.T) {
		d := newDomains(c.complete())
		if !d.isDue() {
			t.Error("nothing is asked at first")
		}
		d.known, d.until = []string{"CORP"}, time.Now().Add(domainsTTL)
		if d.isDue() {
			t.Error("the forest is asked at once again")
		}
		time.Sleep(domainsTTL)
		if names, _ := d.all(); !d.isDue() || !known("CORP", names) {
			t.Error("after its time it is not asked again, or what it said is forgotten")
		}
	})
}
