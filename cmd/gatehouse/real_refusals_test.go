package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// refused sends a request on a connection of its own and returns every byte of the
// answer, without its date and its id.
func (f front) refused(t *testing.T, method, user, password string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", f.addr, &tls.Config{RootCAs: f.certificate.pool, ServerName: "registry.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var body io.Reader
	if method == "PUT" {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequest(method, "https://registry.test/v2/push/manifests/1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &answer)), req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s as %s: %s, want 401", method, user, resp.Status)
	}
	id := resp.Header.Get("X-Request-Id")
	if id == "" {
		t.Fatalf("%s as %s: the answer has no id", method, user)
	}
	return regexp.MustCompile(`(?m)^Date: .*$`).ReplaceAllString(strings.ReplaceAll(answer.String(), id, "ID"), "Date")
}

// The reason for a refusal is in no byte of it, whichever member of a chain has
// refused, and whether the directory was asked at all.
func TestRefusalsAreTheSameBytes(t *testing.T) {
	t.Parallel()
	i := install(t, chainRules)
	err := i.directory.Set(ldaptest.Entry{DN: "uid=locked," + directoryBase, Password: "locked-5ecret",
		Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"locked"}},
		State:      &ldaptest.Answer{Code: 49, Controls: []ldaptest.Control{ldaptest.PasswordPolicy(-1, -1, ldaptest.AccountLocked)}}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, i.users, []byte(htpasswdLine(t, robot, "changed-5ecret")+"barred:!\n"), 0o600)
	testkit.Await(t, "the changed file counts", func() bool {
		resp, _ := i.request(t, "PUT", "/v2/push/manifests/1", robot, "changed-5ecret")
		return resp.StatusCode == http.StatusOK
	})
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		want := i.refused(t, method, "nobody", "wrong")
		for _, tt := range []struct{ reason, user, password string }{
			{"another unknown user", "somebody-with-a-long-name", "wrong"},
			{"the same again", "nobody", "wrong"},
			{"a wrong password in the file", robot, "wrong"},
			{"barred in the file", "barred", "wrong"},
			{"a wrong password in the directory", puller, method + "-1"},
			{"another", puller, method + "-2"},
			{"one that the shield refuses", puller, method + "-3"},
			{"the right one, which it refuses too", puller, pullerPassword},
			{"locked in the directory", "locked", "locked-5ecret"},
			{"a name that cannot be", "\x01", "wrong"},
			{"no password", puller, ""},
		} {
			if got := i.refused(t, method, tt.user, tt.password); got != want {
				t.Errorf("%s: %s: got\n%s\nwant, as for an unknown user,\n%s", method, tt.reason, got, want)
			}
		}
	}
	if n := i.directory.Count(ldaptest.Bind); n == 0 {
		t.Error("the directory was asked about no password")
	}
	if !strings.Contains(i.output.String(), `the account is locked`) {
		t.Error("the log does not say that the account is locked")
	}
}
