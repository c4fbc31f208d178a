package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// A configuration is refused with a place, or it is what both decoders take it
// for; nothing makes the loader panic.
func FuzzConfig(f *testing.F) {
	for _, path := range append(goodFiles(f), badFiles(f)...) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("[[route]]\n[route.rule]\n[[route.rule.x]]\na.b.c = [[{}], [], {d = [1]}]\n")
	f.Add("route = [[]]\nbackend = [{}, {type = 1}]\nlisten = [[{}]]")
	f.Add("\"\" = 1\n'' = 2")
	f.Add("\ufeffa = 1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := assemble.Kinds().Parse("config.toml", []byte(text), nil)
		if err == nil {
			c.Backends = withoutFiles(c.Backends)
			a := assemble.Open(c, nil)
			if err = a.Report.Err(); err == nil && len(a.Gateway.Routes) == 0 {
				t.Errorf("%q was accepted without any route", text)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		if err == nil {
			return
		}
		var refused *config.Error
		if !errors.As(err, &refused) {
			t.Fatalf("%q: got %v, want a *configError", text, err)
		}
		for _, p := range refused.Errors {
			if p.Name == "config.toml" && (p.Line < 1 || p.Line > strings.Count(text, "\n")+1 || p.Column < 1) {
				t.Errorf("%q: error at a place that does not exist: %v", text, p)
			}
			if strings.ContainsAny(p.String(), "\n\x1b") {
				t.Errorf("%q: error on more than one line or with control characters: %q", text, p.String())
			}
		}
	})
}

// withoutFiles keeps a fuzzer from opening whatever it comes to name.
func withoutFiles(backends []config.Backend) []config.Backend {
	for _, b := range backends {
		delete(b, "users_file")
		delete(b, "groups_file")
	}
	return backends
}
