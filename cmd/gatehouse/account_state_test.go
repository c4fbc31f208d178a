package main_test

import (
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// stated are accounts that nobody may use, and what every command says of each.
var stated = []struct {
	name, attribute, value string
	want                   string
}{
	{"bydisabling", "userAccountControl", "514", "the account is disabled"},
	{"bylock", "pwdAccountLockedTime", "000001010000Z", "the account is locked"},
	{"bylockof389", "accountUnlockTime", "20991231235959Z", "the account is locked until 2099-12-31T23:59:59Z"},
	{"bylockofopenldap", "pwdAccountLockedTime", "20991231230000Z", "the account is locked until 2100-01-01T00:00:00Z"},
	{"byexpiry", "pwdEndTime", "20200101000000Z", "the account has expired"},
	{"bypassword", "msDS-User-Account-Control-Computed", "8388608", "the password has expired"},
	{"byreset", "pwdReset", "TRUE", "the password must be changed first"},
}

// TestCLI2EveryCommandKnowsTheStateOfAnAccount asks all commands about accounts that may
// not be used, without a password. Each names the state and ends as for a "no".
func TestCLI2EveryCommandKnowsTheStateOfAnAccount(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	if err := s.Set(ldaptest.Entry{DN: "cn=policy," + directoryBase, Attributes: map[string][]string{
		"objectClass": {"pwdPolicy"}, "cn": {"policy"}, "pwdLockoutDuration": {"3600"},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, a := range stated {
		if err := s.Set(ldaptest.Entry{DN: "uid=" + a.name + "," + directoryBase, Password: "x", Attributes: map[string][]string{
			"objectClass": {"person"}, "uid": {a.name}, a.attribute: {a.value},
		}}); err != nil {
			t.Fatal(err)
		}
		for _, args := range []string{
			"can-i pull x --live --as " + a.name, "can-i GET /v2/x/tags/list --live --as corp:" + a.name, "explain pull x --live --user " + a.name,
			"whoami " + a.name, "whoami -o json " + a.name, "doctor --backend corp --user " + a.name, "doctor -o json --backend corp --user " + a.name,
		} {
			stdout, stderr, code := run(strings.Fields(args)...)
			if code != 1 || !strings.Contains(unwrapped(stdout), a.want) {
				t.Errorf("%s: exit code %d, want 1 and %q in\n%s%s", args, code, a.want, stdout, stderr)
			}
			if strings.Contains(unwrapped(stdout), a.want+": account") {
				t.Errorf("%s says it twice:\n%s", args, stdout)
			}
			if strings.Contains(stdout, "would allow  log in") || strings.Contains(stdout, "allow it: log in") {
				t.Errorf("%s advises to log in:\n%s", args, stdout)
			}
		}
	}
	// Of an account that is in order there is nothing to say.
	for _, args := range []string{"can-i pull x --live --as " + puller, "whoami " + puller, "doctor --backend corp --user " + puller} {
		if stdout, stderr, code := run(strings.Fields(args)...); code != 0 {
			t.Errorf("%s: exit code %d, want 0\n%s%s", args, code, stdout, stderr)
		}
	}
}

// unwrapped returns text with one blank between its words, wherever lines end, also those
// of a command.
func unwrapped(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\\\n", " ")), " ")
}

// addNamesake adds a second group called pusher, far from the first.
func addNamesake(t *testing.T, s *ldaptest.Server) {
	t.Helper()
	for _, e := range []ldaptest.Entry{
		{DN: "ou=elsewhere," + directoryBase, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"elsewhere"}}},
		{DN: "cn=pusher,ou=elsewhere," + directoryBase, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"pusher"}, "member": {"uid=svc," + directoryBase}}},
	} {
		if err := s.Set(e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCLI3EveryCommandSaysThatANameIsShared: two groups are called pusher. Whoever is in
// one of them is told to write its DN, and not to join it; so is whoever is in neither.
func TestCLI3EveryCommandSaysThatANameIsShared(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	addNamesake(t, s)
	const one, other = "cn=pusher,dc=corp,dc=example", "cn=pusher,ou=elsewhere,dc=corp,dc=example"
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"explain DELETE /v2/x/tags/list --live --user " + pusher, 1, []string{"2 groups share the name pusher", one, other, `such as "group cn=pusher,dc=corp,dc=example"`}},
		{"explain DELETE /v2/x/tags/list --live --user " + puller, 1, []string{"2 groups share the name pusher", one, other}},
		{"can-i DELETE /v2/x/tags/list --live --as " + pusher, 1, []string{"2 groups share the name pusher"}},
		{"explain PUT /v2/x/tags/list --live --user " + pusher, 0, []string{`rule "push by DN"`}},
		{"whoami " + pusher, 0, []string{"other groups share the name pusher"}},
		{"whoami -o json " + pusher, 0, []string{`"shared_names": [`}},
		{"doctor --backend corp --user " + pusher, 1, []string{"2 groups share the name", "other groups share the name pusher"}},
		{"check --live --strict", 1, nil},
	} {
		stdout, stderr, code := run(strings.Fields(tt.args)...)
		if code != tt.code || strings.Contains(stdout, "to the group pusher") {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tt.args, code, tt.code, stdout, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(unwrapped(stdout), want) {
				t.Errorf("%s: want %q in\n%s%s", tt.args, want, stdout, stderr)
			}
		}
	}
	_, stderr, code := run("check", "--live")
	if code != 0 || !strings.Contains(stderr, `2 groups of the backend "corp" share the name`) || !strings.Contains(stderr, "write the DN") {
		t.Errorf("check --live: exit code %d\n%s", code, stderr)
	}
	if _, stderr, _ := run("check"); strings.Contains(stderr, "share") {
		t.Errorf("check asks the directory:\n%s", stderr)
	}
}

// The log says it at the start, and why says it of a refusal.
func TestCLI3TheGatewaySaysThatANameIsShared(t *testing.T) {
	t.Parallel()
	s := newDirectory(t)
	addNamesake(t, s)
	f, gatehouse := administerDirectory(t, s)
	testkit.Await(t, "the log says that a name is shared", func() bool {
		return strings.Contains(f.output.String(), `2 groups of the backend \"corp\" share the name`)
	})
	for user, want := range map[[2]string]int{{pusher, pusherPassword}: 403, {puller, pullerPassword}: 200} {
		if resp, body := f.request(t, "GET", "/v2/quiet/x", user[0], user[1]); resp.StatusCode != want {
			t.Errorf("%s, by \"not group\" and the name that is shared: %s, want %d\n%s", user[0], resp.Status, want, body)
		}
	}
	for _, user := range []struct{ name, password, want string }{
		{pusher, pusherPassword, `such as "group cn=pusher,dc=corp,dc=example"`}, {puller, pullerPassword, "2 groups share the name pusher"},
	} {
		resp, body := f.request(t, "POST", "/v2/x/tags/list", user.name, user.password)
		if resp.StatusCode != 403 {
			t.Fatalf("%s: %s\n%s", user.name, resp.Status, body)
		}
		why := gatehouse.works("why", resp.Header.Get("X-Request-Id"))
		if !strings.Contains(why, user.want) || strings.Contains(why, "to the group pusher") {
			t.Errorf("%s: want %q in\n%s", user.name, user.want, why)
		}
	}
}

// The log and doctor say by what users are told apart, and whether it is seen when a
// password was changed.
func TestLDAP3TheGatewaySaysWhoUsersAre(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	says := func(args string, code int, want ...string) {
		t.Helper()
		stdout, stderr, got := run(strings.Fields(args)...)
		for _, want := range want {
			if got != code || !strings.Contains(unwrapped(stdout+stderr), want) {
				t.Errorf("%s: exit code %d, want %d and %q in\n%s%s", args, got, code, want, stdout, stderr)
			}
		}
	}
	says("doctor -v", 0, "ok corp anchor", "told apart by entryUUID", "warn corp password change", "until the new one is used")
	says("check --live --strict", 0)
	s.Hide("entryUUID")
	says("doctor", 0, "known by their DN alone", "-> let the service account read entryUUID")
	says("check --live", 0, "known by their DN alone")
	f, _ := administerDirectory(t, s)
	testkit.Await(t, "the log says who users are", func() bool {
		log := f.output.String()
		return strings.Contains(log, "code=ldap.user.known_by_dn") && strings.Contains(log, "none of")
	})
}
