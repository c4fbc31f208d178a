package ldap

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func TestLDAP7GraceLoginIsSaidAndCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		expires, grace int64
		refuse         bool
		want           string
		says, saysNot  string
		counted        int
	}{
		"on grace":         {-1, 2, false, "in", "has expired, 2 grace logins left", "seconds", 1},
		"the last one":     {-1, 0, false, "in", "has expired, 0 grace logins left", "seconds", 1},
		"refused on grace": {-1, 2, true, "locked", "has expired, 2 grace logins left", "seconds", 1},
		"about to expire":  {600, -1, true, "in", "seconds=600", "logins_left", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			e := person("alice", alicePass)
			e.State = &ldaptest.Answer{Controls: []ldaptest.Control{ldaptest.PasswordPolicy(tt.expires, tt.grace, -1)}}
			s.Set(e)
			c := configFor(t, s)
			var log bytes.Buffer
			counted := 0
			c.Log, c.RefuseGraceLogins = slog.New(slog.NewTextHandler(&log, nil)), tt.refuse
			c.Observe = func(o backend.Operation) {
				if o.Name == opGrace {
					counted++
				}
			}
			id, got := authenticate(t, open(t, c), "alice", alicePass)
			if got != tt.want || id.OnGrace != (tt.counted == 1 && !tt.refuse) {
				t.Errorf("got %+v, %s, want %s", id, got, tt.want)
			}
			if counted != tt.counted {
				t.Errorf("%d grace logins were counted, want %d", counted, tt.counted)
			}
			if text := log.String(); !strings.Contains(text, tt.says) || strings.Contains(text, tt.saysNot) {
				t.Errorf("got log %q, want %q and no %q in it", text, tt.says, tt.saysNot)
			}
		})
	}
}
