package upstream

import "testing"

// What is checked is what is connected to: there is one reader of these URLs.
func TestURLs(t *testing.T) {
	for raw, want := range map[string]URL{
		"http://registry":                  {scheme: "http", network: "tcp", address: "registry:80", authority: "registry"},
		"https://registry:5000/base/":      {scheme: "https", network: "tcp", address: "registry:5000", authority: "registry:5000", Path: "/base/"},
		"http://[::1]:5000":                {scheme: "http", network: "tcp", address: "[::1]:5000", authority: "[::1]:5000"},
		"unix:/run/registry.sock":          {scheme: "http", network: "unix", address: "/run/registry.sock"},
		"unix:///run/registry.sock":        {scheme: "http", network: "unix", address: "/run/registry.sock"},
		"unix:run.sock":                    {},
		"unix://run.sock":                  {},
		"unix:":                            {},
		"unix://":                          {},
		"registry:5000":                    {},
		"http:registry":                    {},
		"http://":                          {},
		"http://:5000":                     {},
		"http://registry:0":                {},
		"http://registry:70000":            {},
		"http://user:password@registry":    {},
		"http://registry?x":                {},
		"http://registry#":                 {},
		"http://regi\x00stry":              {},
		"http://under_score.example..:500": {},
	} {
		got, err := ParseURL(raw)
		if got != want || (err == nil) != (want != URL{}) {
			t.Errorf("%q: got %+v, %v", raw, got, err)
		}
		if got != (URL{}) {
			if again, err := ParseURL(got.WithoutPath()); err != nil || again.address != got.address || again.Path != "" {
				t.Errorf("%q without its path: %+v, %v", raw, again, err)
			}
		}
	}
}
