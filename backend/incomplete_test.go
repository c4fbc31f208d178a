package backend

import (
	"errors"
	"slices"
	"testing"
)

// Of two backends that do not know all groups, a name is ruled out that is so by both.
func TestIncompleteTogetherRulesOutWhatBothDo(t *testing.T) {
	cause := errors.New("cause")
	const dn = "cn=ops,dc=corp"
	for name, tt := range map[string]struct {
		a, b *Incomplete
		want []string
	}{
		"both":            {&Incomplete{Cause: cause, RuledOut: []string{"dev", "ops"}}, &Incomplete{Cause: cause, RuledOut: []string{"ops", "net"}}, []string{"ops"}},
		"one":             {&Incomplete{Cause: cause, RuledOut: []string{"dev"}}, &Incomplete{Cause: cause}, nil},
		"nobody else":     {&Incomplete{Cause: cause, RuledOut: []string{"dev"}}, nil, []string{"dev"}},
		"shared names":    {&Incomplete{Cause: cause, RuledOut: []string{"dev"}}, &Incomplete{Shared: []string{"ops"}}, []string{"dev"}},
		"short names":     {&Incomplete{Cause: cause, RuledOut: []string{"dev", dn}}, &Incomplete{Cause: cause, ShortNames: true}, []string{dn}},
		"short names all": {&Incomplete{Cause: cause, ShortNames: true}, &Incomplete{Cause: cause, ShortNames: true, RuledOut: []string{"dev"}}, nil},
	} {
		for range 2 {
			if got := Together(tt.a, tt.b); !slices.Equal(got.RuledOut, tt.want) {
				t.Errorf("%s: got %q, want %q", name, got.RuledOut, tt.want)
			}
			tt.a, tt.b = tt.b, tt.a
		}
	}
}
