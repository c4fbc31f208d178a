package ldap

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// svcEntry is the service account with a password, in a state.
func svcEntry(password string, state *ldaptest.Answer) ldaptest.Entry {
	return ldaptest.Entry{DN: svcDN, Password: password, State: state, StateAlways: state != nil,
		Attributes: map[string][]string{"objectClass": {"organizationalRole"}}}
}

// set changes an entry of a directory.
func set(t testing.TB, s *ldaptest.Server, e ldaptest.Entry) {
	t.Helper()
	if err := s.Set(e); err != nil {
		t.Fatal(err)
	}
}

// statesOfAccounts are the ways in which servers say that an account may not be used,
// none of which counts a guess.
func statesOfAccounts() map[string]ldaptest.Answer {
	ad := map[string]string{"disabled": "533", "locked": "775", "expired": "701", "password expired": "532", "must change": "773"}
	all := map[string]ldaptest.Answer{
		"389 Directory Server, locked":   {Code: 19, Text: "Exceed password retry limit. Please try later."},
		"389 Directory Server, disabled": {Code: 53, Text: "Account inactivated. Contact system administrator."},
		"OpenLDAP, must change":          {Controls: []ldaptest.Control{policyControl(2)}},
		"OpenLDAP, locked":               {Code: 49, Controls: []ldaptest.Control{policyControl(1)}},
	}
	for state, code := range ad {
		all["Active Directory, "+state] = ldaptest.ADRefusal(code)
	}
	return all
}

// policyControl is the answer of a password policy with an error.
func policyControl(number byte) ldaptest.Control {
	return ldaptest.Control{OID: "1.3.6.1.4.1.42.2.27.8.5.1", Value: []byte{0x30, 0x03, 0x81, 0x01, number}}
}

// An account that was put in order works again within seconds; a state that the server
// names is no guess at the password.
func TestLDAP4ServiceAccountRepaired(t *testing.T) {
	if stateWait > 8*time.Second {
		t.Errorf("it is tried again after %v", stateWait)
	}
	for name, state := range statesOfAccounts() {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{})
			set(t, s, svcEntry(svcPass, &state))
			var log countingLog
			c := configFor(t, s)
			c.Log = log.logger()
			b := open(t, c)
			account := b.directory.account
			for range 3 {
				if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
					t.Errorf("got %s", got)
				}
				if left := time.Until(account.next()); left <= 0 || left > stateWait {
					t.Errorf("it is held for %v, want %v at most", left, stateWait)
				}
				authenticate(t, b, "alice", alicePass) // while it is held
				account.pause.until = time.Now()
			}
			if n := s.Count(ldaptest.Bind); n != 3 {
				t.Errorf("there were %d binds, want 3", n)
			}
			if n := log.count("the service account cannot log in"); n != 1 {
				t.Errorf("the log says so %d times, want once", n)
			}
			set(t, s, svcEntry(svcPass, nil))
			if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
				t.Errorf("after it was put in order: got %s", got)
			}
		})
	}
}

// Invalid credentials are never taken for a state: a wrong password has its long wait,
// also where the account may be locked and the server does not say so.
func TestLDAP4WrongPasswordIsNoState(t *testing.T) {
	for name, answer := range map[string]ldaptest.Answer{
		"OpenLDAP": {Code: 49}, "Active Directory": ldaptest.ADRefusal("52e"), "no such account": ldaptest.ADRefusal("525"),
		"some text": {Code: 49, Text: "the account is locked"},
	} {
		s := start(t, ldaptest.Config{})
		set(t, s, svcEntry(svcPass, &answer))
		b := open(t, configFor(t, s))
		authenticate(t, b, "alice", alicePass)
		if left := time.Until(b.directory.account.next()); left < firstRefusalWait-time.Minute {
			t.Errorf("%s: it is held for %v, want %v", name, left, firstRefusalWait)
		}
	}
}

// A person may have a held password tried, at most once a minute.
func TestLDAP4RetryAtMostOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(Config{}.complete())
		refused := func() { a.judge(wrongPassword(backend.ErrWrongPassword), "old") }
		for range 2 {
			if !a.retry() {
				t.Error("nothing is held, and it is not tried")
			}
		}
		refused()
		if a.held("old") == nil {
			t.Fatal("it is not held")
		}
		if !a.retry() || a.held("old") != nil {
			t.Error("the first time: it is held still")
		}
		refused()
		if wait := a.refused["old"].wait; wait != 2*firstRefusalWait {
			t.Errorf("the wait is %v, want %v: it was refused twice", wait, 2*firstRefusalWait)
		}
		time.Sleep(retryEvery - time.Second)
		if a.retry() || a.held("old") == nil {
			t.Error("within a minute: it is tried again")
		}
		time.Sleep(time.Second)
		if !a.retry() || a.held("old") != nil {
			t.Error("after a minute: it is held still")
		}
	})
}

// Probe tries an account that is held, with one guess for all servers, and says what
// came of each.
func TestLDAP4Probe(t *testing.T) {
	first, second, c := twoServers(t)
	var mu sync.Mutex
	password := wrongGuess
	c.BindPassword = func() (string, error) { mu.Lock(); defer mu.Unlock(); return password, nil }
	b := open(t, c)
	authenticate(t, b, "alice", alicePass)
	binds := func() int { return first.Count(ldaptest.Bind) + second.Count(ldaptest.Bind) }
	trials := b.Probe(t.Context())
	if len(trials) != 2 || trials[0].Err == nil || trials[1].Err == nil || binds() != 2 {
		t.Errorf("a wrong password: got %+v after %d binds, want two failures and two binds", trials, binds())
	}
	if b.Probe(t.Context()); binds() != 2 {
		t.Errorf("again within a minute: %d binds, want none more", binds()-2)
	}
	mu.Lock()
	password = svcPass
	mu.Unlock()
	first.Stop()
	trials = b.Probe(t.Context())
	if trials[0].Err == nil || trials[1].Err != nil || trials[1].Server != second.URL("ldaps") {
		t.Errorf("one server down: got %+v", trials)
	}
	authenticate(t, b, "alice", alicePass)
	if b.directory.known()[0].breaker.state() == nil {
		t.Fatal("the server that is down was not given up")
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if trials := b.Probe(t.Context()); trials[0].Err != nil || b.directory.known()[0].breaker.state() != nil {
		t.Errorf("after it came back: got %+v, and it is not in use", trials)
	}
}

// While the password of the service account is changed, its file has both.
func TestLDAP4TwoPasswordsDuringARotation(t *testing.T) {
	const oldPass, newPass = "old-5ecret", "new-5ecret"
	s := start(t, ldaptest.Config{})
	set(t, s, svcEntry(oldPass, nil))
	c := configFor(t, s)
	text := newPass + "\r\n" + oldPass + "\r\n\r\n\n"
	c.BindPassword = func() (string, error) { return text, nil }
	c.MaxConnections = 8
	b := open(t, c)
	s.OnRequest(onUserBind(ldaptest.Fault{Delay: 20 * time.Millisecond}))
	binds := func() (n int) {
		for _, r := range s.Requests() {
			if r.Kind == ldaptest.Bind && r.DN == svcDN {
				n++
			}
		}
		return n
	}
	crowd := func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := verdictOf(b, "alice", alicePass); got != "in" {
					t.Errorf("got %s", got)
				}
			})
		}
		wg.Wait()
	}
	crowd()
	made := s.Count(ldaptest.Connect)
	if searching := b.directory.known()[0].search; binds() != len(searching.idle)+1 {
		t.Errorf("%d binds for %d connections of %d: want the refused password once", binds(), len(searching.idle), made)
	}
	// The directory changes the password; connections that are kept go on, and of the
	// next one is the one that was right last is tried first.
	set(t, s, svcEntry(newPass, nil))
	b.directory.account.refused[newPass].until = time.Now() // its wait is over
	b.directory.known()[0].sweep(true)
	s.Forget()
	b.directory.account.when = time.Time{}
	crowd()
	if b.directory.account.accepted != newPass {
		t.Error("the new password was not taken")
	}
	if searching := b.directory.known()[0].search; binds() != len(searching.idle)+1 {
		t.Errorf("%d binds for %d connections: want the refused password once", binds(), len(searching.idle))
	}
	if b.directory.account.isFailing() {
		t.Error("the account counts as failing")
	}
}

// Two wrong passwords are two guesses, and no more until they are others.
func TestLDAP4TwoWrongPasswords(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	text := "one-5ecret\ntwo-5ecret\n"
	c.BindPassword = func() (string, error) { return text, nil }
	var log countingLog
	c.Log = log.logger()
	b := open(t, c)
	for range 5 {
		authenticate(t, b, "alice", alicePass)
	}
	if n := s.Count(ldaptest.Bind); n != 2 {
		t.Errorf("there were %d binds, want 2", n)
	}
	if n := log.count("the service account cannot log in"); n != 1 || log.count("5ecret") > 0 {
		t.Errorf("the log says so %d times, want once and no password: %s", n, log.String())
	}
	text = "one-5ecret\n" + svcPass
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("after the file was changed: got %s", got)
	}
}

func TestLDAP4PasswordFiles(t *testing.T) {
	for text, want := range map[string]int{
		"a": 1, "a\n": 1, "a\r\n": 1, "a\n\n\n": 1, "a\nb": 2, "a\r\nb\r\n\r\n": 2, " a b ": 1,
		"": 0, "\n": 0, "\na": 0, "a\n\nb": 0, "a\nb\nc": 0, "a\nb\nc\n": 0, "a\n" + strings.Repeat("b", 2000): 0,
	} {
		got, err := parsePasswords(text)
		if len(got) != want || (err != nil) != (want == 0) {
			t.Errorf("%.20q: got %d passwords, %v, want %d", text, len(got), err, want)
		}
		if err != nil && strings.Contains(err.Error(), "bbb") {
			t.Errorf("the error has the password: %v", err)
		}
	}
	c := configFor(t, start(t, ldaptest.Config{}))
	c.BindPassword = func() (string, error) { return "a\nb\nc", nil }
	if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "bind_password_file: ") {
		t.Errorf("three lines: got %v", err)
	}
}
