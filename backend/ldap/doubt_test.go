package ldap

import (
	"slices"
	"testing"
)

// A group that is hidden may have the short name of one that can be seen: a rule about
// that name must not be decided by the latter alone.
func TestLDAP8MissingGroupMayShareAShortName(t *testing.T) {
	const public = "cn=banned,ou=public"
	visible := []string{"banned", public, "dev"}
	for name, tt := range map[string]struct {
		config  Config
		missing []string
		want    []string
	}{
		"the same name":       {Config{GroupNameAttr: "cn"}, []string{"cn=banned,ou=secret"}, []string{public, "dev"}},
		"another name":        {Config{GroupNameAttr: "cn"}, []string{"cn=ops,ou=secret"}, visible},
		"one of two":          {Config{GroupNameAttr: "cn"}, []string{"cn=ops,ou=secret", "cn=banned,ou=secret"}, []string{public, "dev"}},
		"an unknown name":     {Config{GroupNameAttr: "cn"}, []string{"cn=ops,ou=secret", "ou=secret"}, []string{public}},
		"another attribute":   {Config{GroupNameAttr: "description"}, []string{"cn=ops,ou=secret"}, []string{public}},
		"an identifier":       {Config{GroupNameAttr: "cn", Preset: "activedirectory"}, []string{sidKey("S-1-5-21-1")}, []string{public}},
		"names that are ones": {Config{GroupNameAttr: "sAMAccountName", Preset: "activedirectory"}, []string{sidKey("S-1-5-21-1")}, visible},
	} {
		r := &resolver{Backend: &Backend{config: tt.config}}
		if got := r.without(visible, tt.missing); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
