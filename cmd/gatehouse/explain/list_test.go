package explain

import (
	"testing"
)

func TestRepositoriesOfPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"team/**":                    "team/**",
		"team/app/manifests/*":       "team/app",
		"team/app/manifests/**":      "team/app",
		"team/app/manifests/latest":  "team/app",
		"team/*/blobs/**":            "team/*",
		"team/app/blobs/uploads/**":  "team/app",
		"team/app/blobs/uploads/":    "team/app",
		"team/app/tags/list":         "team/app",
		"team/app/tags/*":            "team/app",
		"**/manifests/*":             "**",
		"*/referrers/*":              "*",
		"team/manifests/app/**":      "team/manifests/app/**",
		"team/manifests/a/blobs/*":   "team/manifests/a",
		"team/blobs/uploads/x/y/**":  "team/blobs/uploads/x/y/**",
		"team/manifests/a/manifests": "team/manifests/a/manifests",
		"**":                         "**",
	} {
		if got := repositoryPattern(pattern); got != want {
			t.Errorf("%s is about %q, want %q", pattern, got, want)
		}
	}
}
