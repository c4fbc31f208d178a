package token

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/gateway/oci"
)

func TestParseScopes(t *testing.T) {
	for asked, want := range map[string]string{
		"":                                                "",
		"repository:team/app:pull":                        "repository:team/app:pull",
		"repository:team/app:push,pull":                   "repository:team/app:pull,push",
		"repository:a:*":                                  "repository:a:pull,push,delete",
		"repository:a:delete,pull,push":                   "repository:a:pull,push,delete",
		"repository:a:pull,pull,fly":                      "repository:a:pull",
		"repository:a:fly":                                "",
		"repository:a:":                                   "",
		"repository:a":                                    "",
		"repository::pull":                                "",
		"repository(plugin):a:pull":                       "repository:a:pull",
		"registry:catalog:*":                              "registry:catalog:*",
		"registry:catalog:pull":                           "",
		"registry:other:*":                                "",
		"repository:catalog:catalog":                      "",
		"artifact:a:pull":                                 "",
		"repository:a:pull|repository:b:*":                "repository:a:pull repository:b:pull,push,delete",
		"repository:a:pull repository:b:push":             "repository:a:pull repository:b:push",
		"repository:X:pull repository:a:pull":             "repository:a:pull",
		"repository:a:pull repository:a:pull,push":        "repository:a:pull,push",
		"repository:a:pull|repository:a:delete":           "repository:a:pull,delete",
		"registry:catalog:* registry:catalog:*":           "registry:catalog:*",
		"repository:../x:pull":                            "",
		"repository:a//b:pull":                            "",
		"repository:registry.example:5000/a:pull":         "",
		"repository:a\u00a0b:pull":                        "",
		"repository:a:pull,push,\n\tpull repository:a:*x": "repository:a:pull,push",
	} {
		list, err := ParseScopes(strings.Split(asked, "|"))
		if got := NewScopes(list); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", asked, got, err, want)
		}
	}
}

func TestT13ScopesAreBounded(t *testing.T) {
	var many, same []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("repository:a/%d:pull", i))
		same = append(same, "repository:a:pull")
	}
	if _, err := ParseScopes([]string{strings.Join(many[:64], " ")}); err != nil {
		t.Errorf("64 repositories: %v", err)
	}
	if _, err := ParseScopes(many); err != ErrTooMany {
		t.Errorf("10,000 repositories: %v", err)
	}
	if list, err := ParseScopes(same); err != nil || len(list) != 1 {
		t.Errorf("10,000 times one: %v, %v", list, err)
	}
}

func TestScopesAllow(t *testing.T) {
	s := Scopes("repository:team/app:pull,push registry:catalog:* repository:catalog:pull")
	for _, tt := range []struct {
		repository string
		action     oci.Action
		want       bool
	}{
		{"team/app", oci.Pull, true},
		{"team/app", oci.Push, true},
		{"team/app", oci.Delete, false},
		{"team/ap", oci.Pull, false},
		{"team/app/x", oci.Pull, false},
		{"", oci.ListCatalog, true},
		{"", oci.Pull, false},
		{"catalog", oci.Pull, true},
		{"catalog", oci.ListCatalog, false},
		{"team/app", "pull,push", false},
	} {
		if got := s.Allow(tt.repository, tt.action); got != tt.want {
			t.Errorf("%s of %q: got %v", tt.action, tt.repository, got)
		}
	}
	if Scopes("").Allow("", oci.ListCatalog) || Scopes("").Allow("", "") {
		t.Error("no scopes allow something")
	}
}
