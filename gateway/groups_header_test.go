package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

// members is a backend with one user, alice, and answers anything about her groups.
type members struct {
	people
	groups []string
	err    error
}

func (m members) Groups(context.Context, backend.Identity) ([]string, error) {
	return slices.Clone(m.groups), m.err
}

// groupsRoute lets everybody in who logs in, and tells the upstream the groups.
func groupsRoute(t *testing.T, upstream string, m members) Route {
	t.Helper()
	r := identityRoute(t, upstream, "valid-user")
	m.people = everyone
	r.Backend = m
	return r
}

// A list that an upstream splits at the commas and then decodes has the names of the
// groups, whatever they are called.
func TestGroupsHeaderIsReadAsItWasMeant(t *testing.T) {
	for _, groups := range [][]string{
		nil,
		{"devs"},
		{"a,admins", "a%2Cadmins", "%", "%25"},
		{" admins", "admins ", " ", "a b", "admins\u00a0"},
		{"a\x00b", "a\r\nX-Team-User: root", "a\tb", "\x7f", "\tadmins"},
		{"größe", `a"b`, `a\,admins`, "a;b", "a|b"},
		{"a\xff\xfe"},
	} {
		overBoth(t, func(t *testing.T, change func(*Config)) {
			up := newCapture(t)
			tg := startGateway(t, change, groupsRoute(t, up.url(), members{groups: groups}))
			if resp := tg.do(t, "alice", "GET", "/v2/x", nil); resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			lines := up.last(t).Header["X-Remote-Groups"]
			if len(lines) != 1 {
				t.Fatalf("the upstream got %q, want one line", lines)
			}
			var got []string
			for _, part := range strings.Split(lines[0], ",") {
				part = strings.TrimSpace(part) // as readers of lists do
				name, err := url.PathUnescape(part)
				if err != nil {
					t.Fatalf("%q does not decode: %v", part, err)
				}
				if lines[0] != "" {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, groups) {
				t.Errorf("the upstream reads %q in %q, want %q", got, lines[0], groups)
			}
		})
	}
}

// The header has the names of the wanted form and no other, and knows what is missing.
func TestFormsOfTheGroupsHeader(t *testing.T) {
	all := []string{"cn=devs,ou=groups,dc=corp", "CN = ops,dc=corp", "devs", "ops", "team red=1"}
	partly := &backend.Incomplete{Cause: errors.New("hidden"), ShortNames: true}
	cut := &backend.Incomplete{Cause: errors.New("too deep")}
	for name, tt := range map[string]struct {
		form GroupsForm
		rule string // the group that a rule asks about
		err  error
		want string // of the header; the status if it is a number
	}{
		"short by default":                   {"", "ops", nil, "devs,ops,team red=1"},
		"short":                              {GroupsShort, "ops", nil, "devs,ops,team red=1"},
		"dn":                                 {GroupsDN, "ops", nil, "cn=devs%2Cou=groups%2Cdc=corp,CN = ops%2Cdc=corp"},
		"named by a short name":              {GroupsNamed, "ops", nil, "ops"},
		"named by its DN":                    {GroupsNamed, `"cn=devs,ou=groups,dc=corp"`, nil, "cn=devs%2Cou=groups%2Cdc=corp"},
		"named, and not a group of the user": {GroupsNamed, "admins", nil, ""},
		"short, where some are hidden":       {GroupsShort, "ops", partly, "503"},
		"dn, where short names are hidden":   {GroupsDN, "ops", partly, "cn=devs%2Cou=groups%2Cdc=corp,CN = ops%2Cdc=corp"},
		"dn, where groups are missing":       {GroupsDN, "ops", cut, "503"},
		"named, and the named one is known":  {GroupsNamed, "ops", cut, "ops"},
		"named, and it is not known":         {GroupsNamed, "admins", cut, "503"},
		"named, DN where names are hidden":   {GroupsNamed, `"cn=admins,dc=corp"`, partly, ""},
	} {
		t.Run(name, func(t *testing.T) {
			up := newCapture(t)
			r := groupsRoute(t, up.url(), members{groups: all, err: tt.err})
			r.GroupsHeaderForm = tt.form
			r.Rules = append(r.Rules, rules.Rule{Name: "never", Methods: []string{"DELETE"}, Paths: everyPath, Require: mustRequire(t, "group "+tt.rule)})
			tg := startGateway(t, nil, r)
			resp := tg.do(t, "alice", "GET", "/v2/x", nil)
			if tt.want == "503" {
				if resp.StatusCode != 503 {
					t.Errorf("status %d, want 503", resp.StatusCode)
				}
				return
			}
			if resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			if got := up.last(t).Header["X-Remote-Groups"]; len(got) != 1 || got[0] != tt.want {
				t.Errorf("the upstream got %q, want %q", got, tt.want)
			}
		})
	}
}

// Groups that do not fit are never cut: the request is refused with a cause that logs,
// "why" and the rule book know, or goes on without the header.
func TestGroupsThatDoNotFitTheHeader(t *testing.T) {
	fits, over := []string{strings.Repeat("a", 50), strings.Repeat("b", 49)}, []string{strings.Repeat("a", 50), strings.Repeat("b", 50)}
	for name, tt := range map[string]struct {
		groups []string
		bytes  int
		omit   bool
		want   int
		sent   bool
	}{
		"at the bound":              {fits, 100, false, 200, true},
		"one byte above":            {over, 100, false, 403, false},
		"one byte above, by key":    {over, 100, true, 200, false},
		"escapes count":             {[]string{strings.Repeat(",", 34)}, 100, false, 403, false},
		"above the default":         {[]string{strings.Repeat("a", 8193)}, 0, false, 403, false},
		"at the default":            {[]string{strings.Repeat("a", 8192)}, 0, false, 200, true},
		"above the default, by key": {[]string{strings.Repeat("a", 8193)}, 0, true, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, change func(*Config)) {
				up := newCapture(t)
				r := groupsRoute(t, up.url(), members{groups: tt.groups})
				r.GroupsHeaderBytes, r.OmitLongGroups = tt.bytes, tt.omit
				tg := startGateway(t, change, r)
				resp := tg.do(t, "alice", "GET", "/v2/x", nil)
				if resp.StatusCode != tt.want {
					t.Fatalf("status %d, want %d", resp.StatusCode, tt.want)
				}
				record := tg.records(t, 1)[0]
				if long := !tt.sent; long != (record["code"] == "request.groups_too_long") {
					t.Errorf("access record: code %v, cause %v", record["code"], record["cause"])
				}
				if tt.want != 200 {
					kept, _ := tg.Why(resp.Header.Get("X-Request-Id"))
					if kept.Code != "request.groups_too_long" || kept.Reason != "groups_too_long" || !strings.Contains(kept.Cause, "bytes") {
						t.Errorf("refusal kept with code %q, reason %q, cause %q", kept.Code, kept.Reason, kept.Cause)
					}
					if got := up.text(); got != "" {
						t.Errorf("the upstream got %q", got)
					}
					return
				}
				h := up.last(t).Header
				if _, sent := h["X-Remote-Groups"]; sent != tt.sent || h.Get("X-Team-User") != "alice" {
					t.Errorf("the upstream got %v, want the groups: %v", h, tt.sent)
				}
			})
		})
	}
}

// What is foreseen is what happens.
func TestRulebookForeseesGroupsThatDoNotFit(t *testing.T) {
	for _, omit := range []bool{false, true} {
		r := groupsRoute(t, "http://127.0.0.1:1", members{})
		r.GroupsHeaderBytes, r.OmitLongGroups = 64, omit
		book, err := NewRulebook([]Route{r})
		if err != nil {
			t.Fatal(err)
		}
		q := Question{Method: "GET", Target: "/v2/x", Host: "localhost", Source: loopback, Who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "alice", Source: "people"}}}
		if a := book.Explain(q); a.Verdict != rules.Allowed {
			t.Errorf("groups not known: %+v", a)
		}
		q.BackendDown = true
		if a := book.Explain(q); a.Status != http.StatusServiceUnavailable {
			t.Errorf("groups not to be known: %+v", a)
		}
		q.Who.GroupsKnown, q.Who.Groups = true, []string{strings.Repeat("a", 64)}
		if a := book.Explain(q); a.Verdict != rules.Allowed || len(a.Trace.Notes) != 0 {
			t.Errorf("groups that fit: %+v", a)
		}
		q.Who.Groups = []string{strings.Repeat("a", 65)}
		a := book.Explain(q)
		if (a.Verdict == rules.Allowed) != omit || (a.Status == http.StatusForbidden) == omit {
			t.Errorf("omit %v: %+v", omit, a)
		}
		if notes := fmt.Sprint(a.Trace.Notes); !strings.Contains(notes, "65 bytes") || strings.Contains(notes, "without the header") != omit {
			t.Errorf("omit %v: notes %s", omit, notes)
		}
	}
}

func TestGroupsHeaderThatCannotBe(t *testing.T) {
	for _, r := range []Route{{GroupsHeaderForm: "DN"}, {GroupsHeaderBytes: -1}, {GroupsHeaderBytes: 1 << 20}} {
		if _, err := newGroupsHeader(r); err == nil {
			t.Errorf("%q, %d bytes: no error", r.GroupsHeaderForm, r.GroupsHeaderBytes)
		}
	}
}
