package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gate is an upstream that asks for credentials and can be told to misbehave.
func gate(t *testing.T, l *lab, spoil http.HandlerFunc) *server {
	t.Helper()
	up := upstream(l.blob)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		if spoil != nil && r.URL.Path != rootPath {
			spoil(w, r)
			return
		}
		up.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return &server{process: &process{name: "gate"}, addr: s.Listener.Addr().String()}
}

func testLab() *lab {
	b := newBlob(1<<20 + 1)
	return &lab{Users: []credential{{Name: "a", Password: "b"}, {Name: "c", Password: "d"}}, blob: b, digest: b.digest()}
}

func TestEveryRequestGetsTheAnswerItWants(t *testing.T) {
	l := testLab()
	s := gate(t, l, nil)
	for name, r := range map[string]request{
		"root":          rootRequest(l.Users[0]),
		"small":         smallRequest(l, l.Users[0]),
		"pull":          pullRequest(l, l.Users[0]),
		"push":          pushRequest(l, l.Users[0]),
		"verified pull": verifiedPull(l, l.Users[0]),
		"verified push": verifiedPush(l, l.Users[0]),
		"stranger":      strangerRequest(l, l.Users[0]),
	} {
		if err := once(t.Context(), s, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	l := testLab()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(text)) }
	}
	spoilt := strings.Repeat("x", int(l.blob.size))
	for _, c := range []struct {
		name  string
		r     request
		spoil http.HandlerFunc
	}{
		{"status", smallRequest(l, l.Users[0]), status(http.StatusServiceUnavailable)},
		{"refused", smallRequest(l, l.Users[0]), status(http.StatusUnauthorized)},
		{"short", smallRequest(l, l.Users[0]), body("{}")},
		{"cut off", pullRequest(l, l.Users[0]), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1048577")
			w.Write([]byte("begun"))
		}},
		{"other bytes", verifiedPull(l, l.Users[0]), body(spoilt)},
		{"upload not taken", pushRequest(l, l.Users[0]), status(http.StatusAccepted)},
		{"upload refused", verifiedPush(l, l.Users[0]), status(http.StatusBadRequest)},
	} {
		if err := once(t.Context(), gate(t, l, c.spoil), c.r); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestUpstreamRefusesAnUploadWithAnotherDigest(t *testing.T) {
	l := testLab()
	r := verifiedPush(l, l.Users[0])
	r.head = []byte(strings.Replace(string(r.head), l.digest, "sha256:0", 1))
	if err := once(t.Context(), gate(t, l, nil), r); err == nil || !strings.Contains(err.Error(), "Status:400") {
		t.Errorf("got %v, want status 400", err)
	}
}

func TestRunCountsEachRequestOnce(t *testing.T) {
	l := testLab()
	for _, w := range loads(small(t)) {
		s := gate(t, l, nil)
		s.cmd = self(t)
		got, err := w.run(t.Context(), l, s)
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		if len(got.latencies) != w.count {
			t.Errorf("%s: got %d requests, want %d", w.name, len(got.latencies), w.count)
		}
	}
}

func TestRunStopsAtTheFirstWrongAnswer(t *testing.T) {
	l := testLab()
	s := gate(t, l, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.cmd = self(t)
	w := loads(small(t))[0]
	if _, err := w.run(t.Context(), l, s); err == nil {
		t.Error("no error")
	}
}

func TestDriveStopsAtItsLimit(t *testing.T) {
	w := load{conns: 2, count: 1 << 30, limit: time.Millisecond}
	times, err := w.drive(t.Context(), func(context.Context, int) error { return nil })
	if err != nil || len(times) == 0 || len(times) == w.count {
		t.Errorf("got %d calls, %v", len(times), err)
	}
}

func TestAStepThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := patiently(t.Context(), "wait", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, errPatience) {
			t.Errorf("got %v, want %v", err, errPatience)
		}
	})
}

func TestDriveReturnsTheError(t *testing.T) {
	want := errors.New("broken")
	w := load{conns: 2, count: 1 << 30}
	if _, err := w.drive(t.Context(), func(context.Context, int) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// Known answers from openssl passwd -apr1.
func TestApr1(t *testing.T) {
	for _, c := range []struct{ password, salt, want string }{
		{"password-1", "abcdefgh", "$apr1$abcdefgh$K4r8Pgt5KaH/DRK3R.lfA."},
		{"myPassword", "r31.....", "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"},
	} {
		if got := apr1(c.password, c.salt); got != c.want {
			t.Errorf("%s: got %s, want %s", c.password, got, c.want)
		}
	}
}

// self is this process as if it were a server that was started.
func self(t *testing.T) *exec.Cmd {
	t.Helper()
	p, err := os.FindProcess(syscall.Getpgrp())
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Process: p}
}
