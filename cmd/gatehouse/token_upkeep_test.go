package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/owntoken"
	"gatehouse/gateway/admin"
	"gatehouse/internal/testkit"
)

// daemonWithTokens is a daemon that keeps tokens and does nothing by itself.
func daemonWithTokens(t *testing.T) *testDaemon {
	t.Helper()
	td := &testDaemon{dir: t.TempDir(), said: new(testkit.Buffer)}
	td.write(t, "users", userLine(t, "alice")+userLine(t, "bob"))
	td.write(t, "groups", "team: alice\n")
	text := strings.ReplaceAll(daemonConfig, "UPSTREAM", "http://127.0.0.1:1")
	text = strings.Replace(text, "[[backend]]", "[tokens]\nstore_file = \"tokens.jsonl\"\nstate_file = \"state.json\"\n[[backend]]", 1)
	td.write(t, "config.toml", strings.Replace(text, "users_file = \"users\"", "users_file = \"users\"\ngroups_file = \"groups\"", 1))
	var err error
	if td.daemon, err = newDaemon(td.fileSource(), td.said, io.Discard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(td.close)
	return td
}

// order has a token made.
func (td *testDaemon) order(t *testing.T, o admin.TokenOrder) owntoken.Token {
	t.Helper()
	made, err := tokenDesk{td.daemon}.Create(t.Context(), "a test", o)
	if err != nil {
		t.Fatal(err)
	}
	return made.Token
}

// kept returns the token as it is by now.
func (td *testDaemon) kept(t *testing.T, id string) owntoken.Token {
	t.Helper()
	found, err := td.own.journal.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The tokens of an owner who is gone sleep for 30 days, and end then. A backend that does
// not answer says nothing.
func TestTokensOfOwnersWhoAreGone(t *testing.T) {
	td := daemonWithTokens(t)
	own := td.order(t, admin.TokenOrder{Name: "ci", User: "alice", Backend: "local"})
	robot := td.order(t, admin.TokenOrder{Name: "team-ci", Robot: true, Owner: "group local:team"})
	bobs := td.order(t, admin.TokenOrder{Name: "ci", User: "bob", Backend: "local"})
	u, now := newTokenUpkeep(td.daemon), time.Now()
	// day has a day pass, and the files be these.
	day := func(days int, users, groups string) {
		t.Helper()
		td.write(t, "users", users)
		td.write(t, "groups", groups)
		if err := td.reload("a test"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(days) * 24 * time.Hour)
		u.run(t.Context(), now)
	}
	text, err := os.ReadFile(filepath.Join(td.dir, "users"))
	if err != nil {
		t.Fatal(err)
	}
	users := string(text)
	day(1, users, "team: alice\n")
	if tally := td.own.journal.Tally(); tally.Orphaned != 0 || tally.Stored[owntoken.Personal] != 2 || tally.Stored[owntoken.Robot] != 1 || tally.Created != 3 {
		t.Errorf("%+v", tally)
	}
	day(1, strings.Replace(users, "alice:", "eve:", 1), "other: bob\n")
	if td.kept(t, own.ID).Orphaned.IsZero() || td.kept(t, robot.ID).Orphaned.IsZero() || !td.kept(t, bobs.ID).Orphaned.IsZero() || td.own.journal.Tally().Orphaned != 2 {
		t.Errorf("%+v, %+v", td.kept(t, own.ID), td.kept(t, robot.ID))
	}
	day(1, users, "team: alice\n")
	if tally := td.own.journal.Tally(); tally.Orphaned != 0 || !td.kept(t, own.ID).Revoked.IsZero() {
		t.Errorf("who is back: %+v", tally)
	}
	gone := strings.Replace(users, "alice:", "eve:", 1)
	day(1, gone, "other: bob\n")
	day(29, gone, "other: bob\n")
	if kept := td.kept(t, own.ID); !kept.Revoked.IsZero() {
		t.Errorf("ended after 29 days: %+v", kept)
	}
	day(1, gone, "other: bob\n")
	for _, id := range []string{own.ID, robot.ID} {
		if kept := td.kept(t, id); kept.Revoked.IsZero() || !strings.HasPrefix(kept.RevokedFor, "its owner is gone since ") {
			t.Errorf("after 30 days: %+v", kept)
		}
	}
	if kept := td.kept(t, bobs.ID); !kept.Revoked.IsZero() {
		t.Errorf("that of another user: %+v", kept)
	}
}

// A token is warned of once a day in its last week, unless another one is in its place.
func TestTokensThatEndSoonAreWarnedOf(t *testing.T) {
	td := daemonWithTokens(t)
	soon := td.order(t, admin.TokenOrder{Name: "soon", User: "alice", Backend: "local", TTL: 8 * 24 * time.Hour})
	replaced := td.order(t, admin.TokenOrder{Name: "replaced", User: "alice", Backend: "local", TTL: 8 * 24 * time.Hour})
	td.order(t, admin.TokenOrder{Name: "later", User: "alice", Backend: "local"})
	u, now := newTokenUpkeep(td.daemon), time.Now()
	for hours, want := range []int{0, 2, 2} {
		now = now.Add(time.Duration(hours) * 25 * time.Hour)
		if hours == 2 {
			now = now.Add(-49 * time.Hour) // an hour after the last time
		}
		u.warnOfEnds(t.Context(), now)
		if got := strings.Count(td.said.String(), "a token ends soon"); got != want {
			t.Errorf("step %d: %d warnings, want %d\n%s", hours, got, want, td.said)
		}
	}
	if _, err := (tokenDesk{td.daemon}).Rotate(t.Context(), "a test", replaced.ID, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	u.warnOfEnds(t.Context(), now.Add(25*time.Hour))
	if got := strings.Count(td.said.String(), "token="+soon.ID); got != 2 {
		t.Errorf("%d warnings of one token in two days", got)
	}
	if got := strings.Count(td.said.String(), "token="+replaced.ID); got != 1 {
		t.Errorf("%d warnings of a token that was replaced", got)
	}
	if tally := td.own.journal.Tally(); fmt.Sprint(tally.Ending) != "map[24h0m0s:1 168h0m0s:1 720h0m0s:3]" {
		t.Errorf("%v", tally.Ending)
	}
}
