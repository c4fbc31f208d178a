package ldap

import (
	"strings"
	"testing"
)

// What a library panics with may hold the password that it was given.
func TestPanicTellsNoPassword(t *testing.T) {
	if got := panicked("bind of alice with 5ecret").Error(); strings.Contains(got, "5ecret") {
		t.Errorf("the error is %q", got)
	}
	defer func() {
		if got := panicked(recover()).Error(); !strings.Contains(got, "out of range") {
			t.Errorf("the error is %q, want the runtime's own words", got)
		}
	}()
	var none []byte
	_ = none[len(none)]
}
