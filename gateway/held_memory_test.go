package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/gateway/upstream"
)

// free returns how many bytes are left.
func (m *heldMemory) free() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

// One client cannot take what others need, and has it again when it gave it back.
func TestClientHasItsShareOfHeldMemory(t *testing.T) {
	m := newHeldMemory()
	m.left, m.each = 4*heldStep, 2*heldStep
	greedy, other := upstream.Client{User: "greedy"}, upstream.Client{User: "other"}
	a, b, c := m.lend(greedy), m.lend(greedy), m.lend(other)
	if err := a.keep(heldStep); err != nil {
		t.Fatal(err)
	}
	if err := b.keep(heldStep); err != nil {
		t.Fatal(err)
	}
	if err := b.keep(1); err == nil {
		t.Error("one client has more than its share")
	}
	if err := c.keep(2 * heldStep); err != nil {
		t.Errorf("another client has nothing: %v", err)
	}
	a.giveBack()
	a.giveBack()
	if err := b.keep(1); err != nil {
		t.Errorf("what was given back cannot be taken again: %v", err)
	}
	b.giveBack()
	c.giveBack()
	if m.free() != 4*heldStep || len(m.clients) != 0 {
		t.Errorf("%d bytes are left, and %d clients are remembered", m.free(), len(m.clients))
	}
}

func TestHeldShareHasRoomForAManifest(t *testing.T) {
	for all, want := range map[int]int{1 << 20: 1 << 20, 16 << 20: 12 << 20, 64 << 20: 32 << 20} {
		if got := heldShare(all); got != want {
			t.Errorf("of %d: %d, want %d", all, got, want)
		}
	}
}

// brokenBody ends before it is complete.
type brokenBody struct{ rest io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// The memory for a manifest is taken while it is held, and given back whichever way the
// request goes.
func TestMemoryOfAManifestIsGivenBack(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newTagUpstream(t)
		tg := keeping(t, up, change, "*")
		all := tg.sites.held.free()
		large := strings.Repeat("x", 3*heldStep)
		var during int64
		says := func(status int) func(http.ResponseWriter) bool {
			return func(w http.ResponseWriter) bool {
				during = all - tg.sites.held.free()
				if status != 0 {
					w.WriteHeader(status)
				}
				return status != 0
			}
		}
		for i, way := range []struct {
			name, body string
			upstream   int // its answer to the question for the tag; 0 for what is so
			broken     bool
			want       int
			asked      bool
		}{
			{"passed on", large, 0, false, 201, true}, {"the same again", large, 0, false, 201, true}, {"another image", large + "y", 0, false, 403, true},
			{"not known", large, 500, false, 503, true}, {"too large", strings.Repeat("x", maxManifest+1), 0, false, 413, false}, {"broken off", large, 0, true, 0, false},
		} {
			up.mu.Lock()
			during, up.says = 0, says(way.upstream)
			up.mu.Unlock()
			var body io.Reader = io.MultiReader(strings.NewReader(way.body)) // of unknown length
			if way.broken {
				body = brokenBody{body}
			}
			got := tg.tryPut(t, "/v2/app/manifests/1", body)
			tg.records(t, i+1)
			if got != way.want {
				t.Errorf("%s: status %d, want %d", way.name, got, way.want)
			}
			up.mu.Lock()
			if held := during; way.asked && held < int64(len(way.body)) || !way.asked && held != 0 {
				t.Errorf("%s: %d bytes were taken of the memory for a manifest of %d", way.name, held, len(way.body))
			}
			up.mu.Unlock()
			if left := tg.sites.held.free(); left != all {
				t.Errorf("%s: %d of %d bytes are left", way.name, left, all)
			}
		}
	})
}

// A manifest for which there is no memory is refused, and leaves what there was.
func TestManifestWithoutMemoryIsRefused(t *testing.T) {
	up := newTagUpstream(t)
	tg := keeping(t, up, nil, "*")
	tg.sites.held.left, tg.sites.held.each = 4*heldStep, 2*heldStep
	for i, size := range []int{3 * heldStep, heldStep / 4} {
		want := []int{503, 201}[i]
		if got, text := tg.put(t, "PUT", fmt.Sprintf("/v2/app/manifests/%d", i), strings.NewReader(strings.Repeat("x", size))); got != want {
			t.Errorf("%d bytes: status %d, want %d: %s", size, got, want, text)
		}
		tg.records(t, i+1)
		if left := tg.sites.held.free(); left != 4*heldStep {
			t.Errorf("%d bytes: %d are left", size, left)
		}
	}
}

// tryPut pushes a manifest and returns the status of the answer, 0 where there is none.
func (tg *testGateway) tryPut(t *testing.T, path string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequest("PUT", tg.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", basic("push"))
	resp, err := tg.client(t).Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}
