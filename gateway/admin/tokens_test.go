package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
)

// desk fails as a test wants it to, and takes down who has asked.
type desk struct {
	by  string
	err error
}

func (d *desk) Create(_ context.Context, by string, o TokenOrder) (MadeToken, error) {
	d.by = by
	return MadeToken{Token: owntoken.Token{Name: o.Name}, Secret: "s"}, d.err
}

func (d *desk) Rotate(_ context.Context, by, token string, _ time.Duration) (MadeToken, error) {
	d.by = by
	return MadeToken{Token: owntoken.Token{ID: token}}, d.err
}

func (d *desk) Revoke(_ context.Context, by string, w Whose) (Revoked, error) {
	d.by = by
	return Revoked{User: w.User, Own: 3}, d.err
}

func (d *desk) List(context.Context, Whose) ([]ShownToken, error) { return nil, d.err }

func (d *desk) Show(context.Context, string) (ShownToken, error) { return ShownToken{}, d.err }

// askJSON posts a question to the socket.
func (ts *testServer) askJSON(t *testing.T, path, body string) answer {
	t.Helper()
	resp, err := ts.unix.Post("http://localhost"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{resp.StatusCode, resp.Header, ""}
}

func TestTokensAreForTheSocketAlone(t *testing.T) {
	d := &desk{}
	ts := start(t, func(c *Config) { c.Tokens = d })
	for _, path := range []string{"/tokens", "/tokens/list", "/tokens/show", "/tokens/rotate", "/revoke"} {
		d.by = ""
		if got := ts.askJSON(t, path, "{}"); got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v", path, got.status, got.header)
		}
		if changes := path != "/tokens/list" && path != "/tokens/show"; changes && d.by != fmt.Sprintf("uid %d at the admin socket", os.Getuid()) {
			t.Errorf("%s: asked by %q", path, d.by)
		}
		for _, method := range []string{"POST", "GET"} {
			if got := ask(t, ts.tcp, method, path).status; got != 405 && got != 404 {
				t.Errorf("%s %s over TCP: %d", method, path, got)
			}
		}
		for _, body := range []string{"", "x", "[]", `{"unheard":1}`, "{} {}", "{}x", `{"a":"` + strings.Repeat("a", maxQuestion) + `"}`} {
			d.by = ""
			if got := ts.askJSON(t, path, body).status; got != 400 || d.by != "" {
				t.Errorf("%s of %.20q: %d", path, body, got)
			}
		}
	}
	for want, err := range map[int]error{422: errors.New("no"), 503: fmt.Errorf("x: %w", backend.ErrUnavailable), 400: fmt.Errorf("x: %w", ErrMalformed)} {
		d.err = err
		if got := ts.askJSON(t, "/tokens", "{}").status; got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// Nothing is made for somebody of whom nothing could be told.
func TestNobodyIsAnonymousAtTheSocket(t *testing.T) {
	if by, err := peerOf(t.Context()); by != "" || !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("asked by %q, %v", by, err)
	}
}
