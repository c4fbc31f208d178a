package rules

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
)

var (
	stranger = Subject{}
	bob      = Subject{LoggedIn: true, Identity: backend.Identity{User: "bob", Source: "corp"}}
	bobDevs  = Subject{LoggedIn: true, Identity: bob.Identity, GroupsKnown: true, Groups: []string{"devs", "users"}}
	bobNone  = Subject{LoggedIn: true, Identity: bob.Identity, GroupsKnown: true}
	localBob = Subject{LoggedIn: true, Identity: backend.Identity{User: "bob", Source: "local"}, GroupsKnown: true, Groups: []string{"devs"}}
)

func mustRequire(t testing.TB, items ...any) Requirement {
	t.Helper()
	r, err := ParseRequire(items)
	if err != nil {
		t.Fatalf("ParseRequire(%v): %v", items, err)
	}
	return r
}

func either(items ...any) map[string]any { return map[string]any{"any": items} }
func all(items ...any) map[string]any    { return map[string]any{"all": items} }
func none(items ...any) map[string]any   { return map[string]any{"none": items} }

func TestRequirementAsksOnlyForWhatTheAnswerDependsOn(t *testing.T) {
	const inside, outside = "10.1.2.3", "192.0.2.1"
	tests := []struct {
		name   string
		items  []any
		source string
		who    Subject
		want   Verdict
	}{
		{"stranger, valid-user", []any{"valid-user"}, outside, stranger, NeedsLogin},
		{"bob, valid-user", []any{"valid-user"}, outside, bob, Allowed},
		{"stranger, a user", []any{"user bob"}, outside, stranger, NeedsLogin},
		{"bob, user bob", []any{"user alice bob"}, outside, bob, Allowed},
		{"bob, user alice", []any{"user alice"}, outside, bob, Denied},
		{"names are case-sensitive here", []any{"user BOB"}, outside, bob, Denied},
		{"stranger, a group", []any{"group devs"}, outside, stranger, NeedsLogin},
		{"bob, groups unknown", []any{"group devs"}, outside, bob, NeedsGroups},
		{"bob, a member", []any{"group devs"}, outside, bobDevs, Allowed},
		{"bob, no member", []any{"group ops"}, outside, bobDevs, Denied},
		{"everybody", []any{"all granted"}, outside, stranger, Allowed},
		{"nobody, not even with a login", []any{"all denied"}, outside, stranger, Denied},
		{"address inside", []any{"ip 10.0.0.0/8"}, inside, stranger, Allowed},
		{"no login helps against an address", []any{"ip 10.0.0.0/8"}, outside, stranger, Denied},

		{"user saves the look-up of groups", []any{"group ops", "user bob"}, outside, bob, Allowed},
		{"address saves the login", []any{"valid-user", "ip 10.0.0.0/8"}, inside, stranger, Allowed},
		{"address does not help, login may", []any{"ip 10.0.0.0/8", "group devs"}, outside, stranger, NeedsLogin},
		{"address rules the login out", []any{all("group devs", "ip 10.0.0.0/8")}, outside, stranger, Denied},
		{"address rules the groups out", []any{all("group devs", "ip 10.0.0.0/8")}, outside, bob, Denied},
		{"user rules the groups out", []any{all("group devs", "user alice")}, outside, bob, Denied},

		{"a negative of an unknown group stays unknown", []any{all("valid-user", "not group banned")}, outside, bob, NeedsGroups},
		{"a negative of an unknown user stays unknown", []any{all("all granted", "not user bob")}, outside, stranger, NeedsLogin},
		{"not him", []any{all("valid-user", "not user bob")}, outside, bob, Denied},
		{"not in it", []any{all("valid-user", "not group banned")}, outside, bobDevs, Allowed},
		{"not in either", []any{all("valid-user", "not group banned devs")}, outside, bobDevs, Denied},
		{"none of", []any{all("valid-user", none("group banned", "user mallory"))}, outside, bobDevs, Allowed},
		{"one of none", []any{all("valid-user", none("group banned", "user bob"))}, outside, bobDevs, Denied},
		{"none is decided by what is known", []any{all("valid-user", none("group banned", "user bob"))}, outside, bob, Denied},
		{"not there", []any{all("valid-user", "not ip 10.0.0.0/8")}, inside, bob, Denied},
		{"nested", []any{all("valid-user", either("ip 10.0.0.0/8", all("group devs", "not user eve")))}, outside, bobDevs, Allowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := mustRequire(t, tt.items...)
			if got := r.eval(Request{Source: netip.MustParseAddr(tt.source)}, tt.who); got != tt.want {
				t.Errorf("%s for %+v from %s = %v, want %v", r, tt.who, tt.source, got, tt.want)
			}
		})
	}
}

func TestAddressesMatchInAnySpelling(t *testing.T) {
	tests := []struct {
		rule, source string
		want         Verdict
	}{
		{"ip 10.0.0.0/8", "::ffff:10.1.2.3", Allowed},
		{"ip ::ffff:10.0.0.0/104", "10.1.2.3", Allowed},
		{"ip ::ffff:10.1.2.3", "10.1.2.3", Allowed},
		{"ip 10.1.2.3", "10.1.2.4", Denied},
		{"ip 2001:db8::/32", "2001:db8:1::1", Allowed},
		{"ip 2001:DB8::0/32", "2001:db9::1", Denied},
		{"ip fe80::/10", "fe80::1%eth0", Allowed},
		{"ip ::1 127.0.0.0/8", "127.0.0.1", Allowed},
		{"ip 0.0.0.0/0", "::1", Denied},
		{"ip ::/0", "127.0.0.1", Denied},
	}
	for _, tt := range tests {
		r := mustRequire(t, tt.rule)
		if got := r.eval(Request{Source: netip.MustParseAddr(tt.source)}, stranger); got != tt.want {
			t.Errorf("%s from %s = %v, want %v", tt.rule, tt.source, got, tt.want)
		}
	}
}

func TestNamedGroupsFindsGroupsAtAnyDepth(t *testing.T) {
	for _, tc := range []struct {
		items []any
		want  []string
	}{
		{[]any{"valid-user", "user pusher", "ip 10.0.0.0/8"}, nil},
		{[]any{"group pusher admin", "group pusher"}, []string{"group pusher", "group admin"}},
		{[]any{map[string]any{"all": []any{"valid-user", "not group guests", map[string]any{"none": []any{`group "two words"`}}}}},
			[]string{"group guests", `group "two words"`}},
	} {
		if diff := cmp.Diff(tc.want, NamedGroups(mustRequire(t, tc.items...))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.items, diff)
		}
	}
}
