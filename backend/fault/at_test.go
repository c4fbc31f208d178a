package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/fault"
)

func TestPathOfAnErrorIsJoinedFromTheOutside(t *testing.T) {
	cause := errors.New("cause")
	inner := fault.At(cause, "all", 0)
	outer := fault.At(fmt.Errorf("rule: %w", fault.With("config.invalid", inner)), "require", 1)
	if diff := cmp.Diff([]any{"require", 1, "all", 0}, fault.Path(outer)); diff != "" {
		t.Errorf("path (-want +got):\n%s", diff)
	}
	if outer.Error() != "rule: cause" || !errors.Is(outer, cause) || fault.Of(outer) != "config.invalid" {
		t.Errorf("got %q with the code %q, want the text, the cause and the code as they were", outer, fault.Of(outer))
	}
	for _, err := range []error{nil, cause} {
		if got := fault.Path(err); got != nil {
			t.Errorf("%v: got the path %v, want none", err, got)
		}
	}
	if fault.At(nil, "key") != nil {
		t.Error("no error became one")
	}
}

func TestLeavesKeepThePathOfWhatTheyWereJoinedIn(t *testing.T) {
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
	err := errors.Join(fault.At(errors.Join(fault.At(one, 0), two), "paths"), three)
	want := map[string][]any{"one": {"paths", 0}, "two": {"paths"}, "three": nil}
	got := map[string][]any{}
	for _, leaf := range fault.Leaves(err) {
		got[leaf.Error()] = fault.Path(leaf)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}
