package chain_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// lent returns the groups of alice, whom corp vouched for, where the files lend
// theirs.
func lent(t *testing.T, corp, files backend.Backend) ([]string, error) {
	t.Helper()
	b := mustChain(t, chain.Config{
		Members:     []member{{Name: "corp", Backend: corp}},
		ExtraGroups: []lender{{"files", files}},
	})
	return b.Groups(t.Context(), backend.Identity{User: "alice", Handle: "cn=alice", Source: "corp"})
}

func TestExtraGroupsAreAskedForByName(t *testing.T) {
	files := &stub{groups: []string{"pusher", "dev"}}
	got, err := lent(t, &stub{groups: []string{"dev", "staff"}}, files)
	if want := []string{"dev", "pusher", "staff"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if diff := cmp.Diff([]backend.Identity{{User: "alice", Source: "files"}}, files.about); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
	if files.asked > 0 {
		t.Error("the password went to a backend that has groups only")
	}
}

// Fewer groups would let in whoever a rule keeps out with "not group".
func TestExtraGroupsThatCannotBeHadAreNotNone(t *testing.T) {
	for name, files := range map[string]*stub{
		"unavailable": {down: backend.ErrUnavailable},
		"fault":       {groups: []string{"dev"}, down: errFault},
	} {
		got, err := lent(t, &stub{groups: []string{"staff"}}, files)
		if !errors.Is(err, files.down) || got != nil {
			t.Errorf("%s: got %q, %v, want the error alone", name, got, err)
		}
	}
	if got, err := lent(t, &stub{down: backend.ErrUnavailable}, &stub{groups: []string{"dev"}}); !errors.Is(err, backend.ErrUnavailable) || got != nil {
		t.Errorf("own groups unavailable: got %q, %v", got, err)
	}
}

func TestDirectoryLendsGroupsOfWhomItFinds(t *testing.T) {
	find := func() *directory {
		return &directory{stub: stub{groups: []string{"Ops"}}, users: map[string]string{"alice": "uid=alice"}}
	}
	d := find()
	got, err := lent(t, &stub{groups: []string{"Dev", "ops"}}, d)
	if want := []string{"dev", "ops"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q, spelled as one that ignores case has them", got, err, want)
	}
	if diff := cmp.Diff([]backend.Identity{{User: "alice", Handle: "uid=alice"}}, d.about); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}

	stranger := find()
	stranger.users = nil
	if got, err := lent(t, &stub{groups: []string{"dev"}}, stranger); err != nil || !slices.Equal(got, []string{"dev"}) || len(stranger.about) > 0 {
		t.Errorf("user that it does not know: got %q, %v", got, err)
	}
	for _, gone := range []error{backend.ErrUnavailable, backend.ErrLocked, errFault, errors.Join(backend.ErrUnknownUser, backend.ErrUnavailable)} {
		d := find()
		d.gone = gone
		if got, err := lent(t, &stub{groups: []string{"dev"}}, d); err == nil || got != nil {
			t.Errorf("%v: got %q, %v, want an error", gone, got, err)
		}
	}
}

func TestMemberLendsNothingToItsOwnUsers(t *testing.T) {
	local, corp := &stub{groups: []string{"robots"}}, &stub{groups: []string{"staff"}}
	b := mustChain(t, chain.Config{
		Members:     []member{{Name: "corp", Backend: corp}, {Name: "local", Backend: local}},
		ExtraGroups: []lender{{"local", local}},
	})
	for source, want := range map[string][]string{"local": {"robots"}, "corp": {"robots", "staff"}} {
		local.about = nil
		got, err := b.Groups(t.Context(), backend.Identity{User: "u", Handle: "h", Source: source})
		if err != nil || !slices.Equal(got, want) || len(local.about) != 1 {
			t.Errorf("%s: got %q, %v, want %q, asked %v", source, got, err, want, local.about)
		}
	}
}

func TestGroupsMayBeModified(t *testing.T) {
	corp, files := &stub{groups: []string{"a", "b"}}, &stub{groups: []string{"c"}}
	got, err := lent(t, corp, files)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = "admin"
	}
	if got, err := lent(t, corp, files); err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q, %v after a caller modified the last answer", got, err)
	}
}

// sharing is a directory in which a name of a group of everybody is that of another one,
// too.
type sharing struct{ *stub }

func (s sharing) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	groups, err := s.stub.Groups(ctx, id)
	if err != nil {
		return nil, err
	}
	return groups, &backend.Incomplete{Shared: []string{"Dev"}, RuledOut: []string{"Net"}}
}

// A name that several groups share says nothing, whoever lends it.
func TestCLI3SharedNamesComeThroughAChain(t *testing.T) {
	find := &directory{stub: stub{groups: []string{"ops"}}, users: map[string]string{"alice": "uid=alice"}}
	for name, tt := range map[string]struct {
		corp, files backend.Backend
		want        []string
	}{
		"lent":          {&stub{groups: []string{"ops"}}, sharing{&stub{groups: []string{"cn=dev"}}}, []string{"Dev", "Net"}},
		"of the member": {sharing{&stub{groups: []string{"cn=dev"}}}, find, []string{"dev", "net"}}, // as the lender spells it
	} {
		groups, err := lent(t, tt.corp, tt.files)
		missing := backend.IncompleteOf(err)
		if missing == nil || backend.MissingGroups(err) != nil || !slices.Equal(slices.Concat(missing.Shared, missing.RuledOut), tt.want) || len(groups) != 2 {
			t.Errorf("%s: got %q, %v, want two groups, and the names %s", name, groups, err, tt.want)
		}
	}
}
