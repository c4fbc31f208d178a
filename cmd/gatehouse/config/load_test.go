package config

import (
	"strings"
	"testing"
)

// TestNoKeyReachesWhatIsNoKey: a document has fields that no key is for, which a decoder
// would fill from a key of that name. That would do away with what is known to be wrong.
func TestNoKeyReachesWhatIsNoKey(t *testing.T) {
	for _, key := range []string{"report", "Report", "REPORT", "origin", "Origin", "kinds", "settings", "Settings", "backends", "Listen"} {
		for _, text := range []string{key + " = []\n", "[" + key + "]\n", "[[" + key + "]]\nName = \"x\"\nMessage = \"y\"\n"} {
			c, err := Kinds{}.Parse("config.toml", []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Report.Err(); err == nil || !strings.Contains(err.Error(), "unknown key") || c.Origin.Start().Line != 1 {
				t.Errorf("%q: got %v, want an unknown key in line 1", text, err)
			}
		}
	}
}
