package ldap

import (
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
)

// onUserBind makes a fault of the binds of users, and not of the service account.
func onUserBind(f ldaptest.Fault) func(ldaptest.Request) ldaptest.Fault {
	return func(r ldaptest.Request) ldaptest.Fault {
		if r.Kind == ldaptest.Bind && r.DN != svcDN {
			return f
		}
		return ldaptest.Fault{}
	}
}

// onSearch makes a fault of searches, except for those of the root entry.
func onSearch(f ldaptest.Fault) func(ldaptest.Request) ldaptest.Fault {
	return func(r ldaptest.Request) ldaptest.Fault {
		if r.Kind == ldaptest.Search && r.DN != "" {
			return f
		}
		return ldaptest.Fault{}
	}
}

func TestAnswersToABind(t *testing.T) {
	t.Parallel()
	policy := func(code int64, failure int64) ldaptest.Answer {
		return ldaptest.Answer{Code: code, Controls: []ldaptest.Control{ldaptest.PasswordPolicy(-1, -1, failure)}}
	}
	tests := []struct {
		name   string
		answer ldaptest.Answer
		want   string
	}{
		{"success", ldaptest.Answer{}, "in"},
		{"success with a text", ldaptest.Answer{Text: "80090308: data 775"}, "in"},
		{"success, must change", policy(0, ldaptest.ChangeAfterReset), "locked"},
		{"success, expired", policy(0, ldaptest.PasswordExpired), "locked"},
		{"success, grace", ldaptest.Answer{Controls: []ldaptest.Control{ldaptest.PasswordPolicy(-1, 2, -1)}}, "in"},
		{"success, about to expire", ldaptest.Answer{Controls: []ldaptest.Control{ldaptest.PasswordPolicy(3600, -1, -1)}}, "in"},
		{"success, must change, of an old server", ldaptest.Answer{Controls: []ldaptest.Control{{OID: "2.16.840.1.113730.3.4.4", Value: []byte("0")}}}, "locked"},
		{"OpenLDAP wrong", ldaptest.Answer{Code: 49}, "wrong"},
		{"OpenLDAP locked", policy(49, ldaptest.AccountLocked), "locked"},
		{"OpenLDAP expired", policy(49, ldaptest.PasswordExpired), "locked"},
		{"AD wrong", ldaptest.ADRefusal("52e"), "wrong"},
		{"AD no such user", ldaptest.ADRefusal("525"), "wrong"},
		{"AD hours", ldaptest.ADRefusal("530"), "locked"},
		{"AD workstation", ldaptest.ADRefusal("531"), "locked"},
		{"AD expired password", ldaptest.ADRefusal("532"), "locked"},
		{"AD disabled", ldaptest.ADRefusal("533"), "locked"},
		{"AD expired account", ldaptest.ADRefusal("701"), "locked"},
		{"AD must change", ldaptest.ADRefusal("773"), "locked"},
		{"AD locked", ldaptest.ADRefusal("775"), "locked"},
		{"AD locked, in capitals", ldaptest.Answer{Code: 49, Text: "ACCEPTSECURITYCONTEXT ERROR, DATA 775, V1DB1"}, "locked"},
		{"AD unknown code", ldaptest.ADRefusal("abc"), "wrong"},
		{"AD channel binding", ldaptest.ADRefusal("80090346"), "fault"},
		{"389 locked", policy(19, ldaptest.AccountLocked), "locked"},
		{"389 locked, without control", ldaptest.Answer{Code: 19}, "locked"},
		{"389 disabled", policy(53, ldaptest.AccountLocked), "locked"},
		{"53", ldaptest.Answer{Code: 53}, "locked"},
		{"no such attribute", ldaptest.Answer{Code: 16}, "wrong"},
		{"no such object", ldaptest.Answer{Code: 32}, "wrong"},
		{"inappropriate authentication", ldaptest.Answer{Code: 48}, "wrong"},
		{"signing required", ldaptest.Answer{Code: 8}, "fault"},
		{"TLS required", ldaptest.Answer{Code: 13}, "fault"},
		{"bind in progress", ldaptest.Answer{Code: 14}, "fault"},
		{"referral", ldaptest.Answer{Code: 10, Referrals: []string{"ldap://127.0.0.1:1/"}}, "fault"},
		{"operations error", ldaptest.Answer{Code: 1}, "fault"},
		{"protocol error", ldaptest.Answer{Code: 2}, "fault"},
		{"invalid name", ldaptest.Answer{Code: 34}, "fault"},
		{"a code that nobody knows", ldaptest.Answer{Code: 123}, "fault"},
		{"time limit", ldaptest.Answer{Code: 3}, "unavailable"},
		{"administrator's limit", ldaptest.Answer{Code: 11}, "unavailable"},
		{"busy", ldaptest.Answer{Code: 51}, "unavailable"},
		{"unavailable", ldaptest.Answer{Code: 52}, "unavailable"},
		{"other", ldaptest.Answer{Code: 80}, "unavailable"},
		{"down", ldaptest.Answer{Code: 81}, "unavailable"},
		{"a code that is 0 in 16 bits", ldaptest.Answer{Code: 1 << 16}, "unavailable"},
		{"a code that is 0 in 32 bits", ldaptest.Answer{Code: 1 << 32}, "unavailable"},
		{"a negative code", ldaptest.Answer{Code: -1}, "unavailable"},
		{"a control that is malformed", ldaptest.Answer{Controls: []ldaptest.Control{{OID: "1.3.6.1.4.1.42.2.27.8.5.1", Value: []byte{0x30, 0x80}}}}, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			b := open(t, configFor(t, s))
			s.OnRequest(onUserBind(ldaptest.Fault{Answer: &tt.answer}))
			id, got := authenticate(t, b, "alice", alicePass)
			if got != tt.want || (id.User != "") != (got == "in") {
				t.Errorf("got %+v, %s, want %s", id, got, tt.want)
			}
			if n := userBinds(s); n != 1 {
				t.Errorf("the user was bound %d times, want once", n)
			}
		})
	}
}

func TestAnswersToASearch(t *testing.T) {
	t.Parallel()
	for code, want := range map[int64]string{
		1: "fault", 2: "fault", 3: "unavailable", 8: "fault", 10: "fault", 11: "unavailable", 12: "fault", 13: "fault", 32: "fault", 34: "fault",
		50: "fault", 51: "unavailable", 52: "unavailable", 53: "fault", 80: "unavailable", 81: "unavailable", 123: "fault", 1 << 16: "unavailable", -1: "unavailable",
	} {
		s := start(t, ldaptest.Config{})
		b := open(t, configFor(t, s))
		id, _ := authenticate(t, b, "alice", alicePass)
		s.Forget()
		s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: code, Referrals: []string{"ldap://127.0.0.1:1/"}}, AfterEntries: true}))
		if groups, err := b.Groups(t.Context(), id); verdict(err) != want || groups != nil {
			t.Errorf("code %d: groups are %q, %v, want %s", code, groups, err, want)
		}
		b2 := open(t, configFor(t, s))
		if _, got := authenticate(t, b2, "alice", alicePass); got != want {
			t.Errorf("code %d: login is %s, want %s", code, got, want)
		}
		if userBinds(s) != 0 {
			t.Errorf("code %d: a user was bound after a search that failed", code)
		}
	}
}

// Only to the size limit of the search for a user is there an answer: the name
// means more than one.
func TestSizeLimitOfAUserIsAmbiguous(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: 4}, AfterEntries: true}))
	if _, got := authenticate(t, b, "alice", alicePass); got != "wrong" {
		t.Errorf("got %s, want wrong", got)
	}
}

func TestReasonsStandInTheError(t *testing.T) {
	for code, want := range map[string]string{"775": "locked", "533": "disabled", "773": "changed first", "532": "expired", "701": "account has expired"} {
		answer := ldaptest.ADRefusal(code)
		s := start(t, ldaptest.Config{})
		b := open(t, configFor(t, s))
		s.OnRequest(onUserBind(ldaptest.Fault{Answer: &answer}))
		if _, err := b.Authenticate(t.Context(), "alice", alicePass); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("data %s: got %v, want %q in it", code, err, want)
		}
	}
}

func TestReferencesAreNotFollowed(t *testing.T) {
	elsewhere := start(t, ldaptest.Config{})
	s := start(t, ldaptest.Config{Entries: append(company(), ldaptest.Entry{DN: "ou=elsewhere," + base,
		Attributes: map[string][]string{"objectClass": {"referral"}, "ref": {elsewhere.URL("ldap") + "/" + base}}})})
	b := open(t, configFor(t, s))
	id, got := authenticate(t, b, "alice", alicePass)
	if got != "in" {
		t.Errorf("got %s, want in", got)
	}
	groups, err := b.Groups(t.Context(), id)
	wantGroups(t, groups, err, "all", "dev")
	if n := elsewhere.Count(ldaptest.Connect); n != 0 {
		t.Errorf("the server referred to saw %d connections", n)
	}
}
