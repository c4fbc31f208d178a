package main_test

import (
	"strings"
	"testing"
)

// A directory says without a password who somebody is, in any spelling, and in
// which groups; one that is down leaves the question open.
func TestExplainAsksADirectory(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"PUT /v2/x/tags/list --live --user " + strings.ToUpper(pusher), 0, "by testuserpush (backend corp; groups "},
		{"PUT /v2/x/tags/list --live --user " + puller, 1, "would allow  add testuser to the group cn=pusher,dc=corp,dc=example\n"},
		{"GET /v2/pullers/x --live --user " + puller, 0, `rule "pullers"`},
		{"GET /v2/x/tags/list --live --user nobody", 1, "nobody cannot log in"},
		{"GET /local/x --live --user x", 1, "x cannot log in"},
		{"PUT /v2/x/tags/list --user " + puller + " --group CN=Pusher,DC=corp,dc=example", 0, `rule "push by DN"`},
	} {
		stdout, stderr, code := run(append([]string{"explain"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", tt.args, code, tt.code, tt.want, stdout, stderr)
		}
	}
	s.Stop()
	for _, args := range []string{"explain PUT /v2/x/tags/list --live --user " + puller, "can-i push x --live --as " + puller} {
		stdout, stderr, code := run(strings.Fields(args)...)
		if code != 4 || !strings.Contains(stdout, "could not be found out") {
			t.Errorf("%s, without a server: exit code %d, want 4\n%s%s", args, code, stdout, stderr)
		}
	}
}
