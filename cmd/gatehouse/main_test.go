package main

import (
	"context"
	"strings"
	"testing"
)

func TestRootCommand(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		want string // of what is printed, in part
	}{
		{[]string{"--version"}, 0, "gatehouse " + readVersion().String() + "\n"},
		{[]string{"version"}, 0, "gatehouse " + readVersion().String() + "\n"},
		{[]string{"--help"}, 0, "Available Commands:"},
		{[]string{"serv"}, 2, "Did you mean this?\n\tserve"},
		{[]string{"serve", "--lisen", ":5043"}, 2, "unknown flag: --lisen; see gatehouse serve --help"},
		{[]string{"passwd", "-m", "users", "bob"}, 2, "unknown shorthand flag: 'm' in -m; see gatehouse passwd --help"},
	} {
		var out, diagnostics strings.Builder
		code := run(t.Context(), tc.args, stdio{strings.NewReader(""), &out, &diagnostics})
		if got := out.String() + diagnostics.String(); code != tc.code || !strings.Contains(got, tc.want) {
			t.Errorf("%v: got code %d and %q, want %d and %q in it", tc.args, code, got, tc.code, tc.want)
		}
	}
}

func TestDemoStaysOnThisMachine(t *testing.T) {
	t.Setenv("GATEHOUSE_INSECURE_PLAINTEXT", "true")
	over, end := context.WithCancel(t.Context())
	end() // if it runs at all, it ends at once
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0"} {
		var out, diagnostics strings.Builder
		code := run(over, []string{"demo", "--listen", address}, stdio{strings.NewReader(""), &out, &diagnostics})
		if code != 2 || !strings.Contains(diagnostics.String(), "from this machine only") {
			t.Errorf("--listen %s: got code %d and %q", address, code, diagnostics.String())
		}
	}
}
