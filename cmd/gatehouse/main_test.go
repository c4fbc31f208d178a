package main

import (
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
