package spell

import "testing"

func TestDidYouMean(t *testing.T) {
	known := []string{"listen", "drain", "access_log", "upstream_ca_file", "upstream_key_file"}
	for word, want := range map[string]string{
		"lisen":            `; did you mean "listen"?`,
		"LISTEN":           `; did you mean "listen"?`,
		"acess_log":        `; did you mean "access_log"?`,
		"upstream_ca_fiel": `; did you mean "upstream_ca_file"?`,
		"workers":          "",
		"x":                "",
		"":                 "",
	} {
		if got := DidYouMean(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
