package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"gatehouse/gateway/flow"
	"gatehouse/internal/testkit"
)

// holder is an exchange that ends when it is told to.
type holder struct {
	slots *slots
	slot  slot
	told  bool
}

func (h *holder) stop() {
	h.told = true
	go h.slots.release(&h.slot)
}

// slotTable is a table of slots for a test in a bubble.
type slotTable struct {
	*slots
	limits slotLimits
}

func newSlotTable(total, upstream, client, queue int) *slotTable {
	return &slotTable{newSlots(), slotLimits{total: total, upstream: upstream, client: client, queue: queue, idle: 1}}
}

func (k *slotTable) holder(user, upstream string) *holder {
	h := &holder{slots: k.slots}
	h.slot.client, h.slot.upstream, h.slot.limits, h.slot.holder = client{user: user}, upstream, &k.limits, h
	return h
}

// take acquires n slots, all of which must be free.
func (k *slotTable) take(t *testing.T, n int, user, upstream string) (all []*holder) {
	t.Helper()
	for range n {
		h := k.holder(user, upstream)
		begin := time.Now()
		if err := k.acquire(t.Context(), &h.slot); err != nil || time.Since(begin) > 0 {
			t.Fatalf("a slot for %s at %s: %v after %v", user, upstream, err, time.Since(begin))
		}
		all = append(all, h)
	}
	return all
}

func TestSEC3SlotsAreBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		taken   [][2]string // user and upstream
		refused [2]string
		free    [2]string // where there is still room
		reason  obstacle
	}{
		"in all":       {[][2]string{{"a", "1"}, {"b", "2"}, {"c", "1"}, {"d", "2"}}, [2]string{"e", "3"}, [2]string{}, tooManyInAll},
		"of upstreams": {[][2]string{{"a", "1"}, {"b", "1"}, {"c", "1"}}, [2]string{"d", "1"}, [2]string{"d", "2"}, tooManyOfUpstream},
		"of clients":   {[][2]string{{"a", "1"}, {"a", "2"}}, [2]string{"a", "3"}, [2]string{"b", "3"}, tooManyOfClient},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newSlotTable(4, 3, 2, 10)
			var taken []*holder
			for _, h := range tt.taken {
				taken = append(taken, k.take(t, 1, h[0], h[1])...)
			}
			late := k.holder(tt.refused[0], tt.refused[1])
			begin := time.Now()
			if err := k.acquire(t.Context(), &late.slot); !errors.Is(err, errNoSlot) || time.Since(begin) != slotPatience {
				t.Errorf("%s: one more: %v after %v", name, err, time.Since(begin))
			}
			if got := k.refused[tt.reason].Load(); got != 1 {
				t.Errorf("%s: counted as refused: %d", name, got)
			}
			if tt.free[0] != "" {
				taken = append(taken, k.take(t, 1, tt.free[0], tt.free[1])...)
			}
			for _, h := range taken {
				k.release(&h.slot)
				k.release(&h.slot) // does no harm
			}
			if used, waiting := k.counts(); used != 0 || waiting != 0 || len(k.clients) != 0 || len(k.upstreams) != 0 || k.all.next != &k.all {
				t.Errorf("%s: left: %d used, %d waiting, %v, %v", name, used, waiting, k.clients, k.upstreams)
			}
		})
	}
}

// Of those that wait, the one goes first whose client has least; whom its own bound
// hinders stands in nobody's way.
func TestSEC3QueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSlotTable(4, 4, 3, 10)
		greedy := k.take(t, 3, "greedy", "1")
		modest := k.take(t, 1, "modest", "1")
		var mu sync.Mutex
		var order []string
		wait := func(user string) {
			h := k.holder(user, "1")
			go func() {
				if k.acquire(t.Context(), &h.slot) == nil {
					mu.Lock()
					order = append(order, user)
					mu.Unlock()
				}
			}()
			synctest.Wait()
		}
		for _, user := range []string{"greedy", "greedy", "modest", "newcomer"} {
			wait(user)
		}
		for _, h := range []*holder{modest[0], greedy[0], greedy[1]} {
			k.release(&h.slot)
			synctest.Wait()
		}
		if got := fmt.Sprint(order); got != "[modest newcomer greedy]" {
			t.Errorf("order %v, want modest, newcomer, greedy", got)
		}
		time.Sleep(slotPatience)
	})
}

// Where the queue is full, whoever has most in it makes room for others.
func TestSEC3QueueIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSlotTable(1, 1, 1, 3)
		k.take(t, 1, "holder", "1")
		got := make(chan string, 10)
		wait := func(user string) {
			h := k.holder(user, "1")
			begin := time.Now()
			go func() {
				if err := k.acquire(t.Context(), &h.slot); errors.Is(err, errNoSlot) && time.Since(begin) == 0 {
					got <- user
				}
			}()
			synctest.Wait()
		}
		for range 5 {
			wait("greedy")
		}
		if len(got) != 2 {
			t.Errorf("%d of the greedy were sent away, want the last two", len(got))
		}
		wait("modest")
		wait("modest")
		if len(got) != 4 || <-got != "greedy" || <-got != "greedy" || <-got != "greedy" || <-got != "modest" {
			t.Errorf("room was made by others than the greedy one and the second of the modest one")
		}
		time.Sleep(slotPatience)
	})
}

// A caller that gives up leaves nothing behind, neither while it waits nor if its turn
// comes just then.
func TestSlotOfACallerThatHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSlotTable(1, 1, 1, 3)
		first := k.take(t, 1, "a", "1")[0]
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		late := k.holder("b", "1")
		go func() { done <- k.acquire(ctx, &late.slot) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		late.slot.turn = make(chan bool, 1)
		k.mu.Lock()
		k.waiting.join(&late.slot)
		k.mu.Unlock()
		k.release(&first.slot)
		k.giveUp(&late.slot) // its turn had come
		if used, waiting := k.counts(); used != 0 || waiting != 0 {
			t.Errorf("%d used, %d waiting", used, waiting)
		}
	})
}

// Of clients that stand in the way and move nothing, one of that with most is ended.
func TestSEC3StuckClientsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSlotTable(6, 6, 4, 10)
		stuck := k.take(t, 3, "stuck", "1")
		slow := k.take(t, 2, "slow", "1")
		late := k.take(t, 1, "late", "1")
		for _, h := range append(stuck, slow...) {
			h.slot.await(toClient, time.Now())
		}
		late[0].slot.await(fromClient, time.Now().Add(time.Second))
		for range stuckAfter / time.Second {
			time.Sleep(time.Second)
			for _, h := range slow {
				if err := h.slot.moved(toClient); err != nil {
					t.Fatal(err)
				}
				h.slot.await(toClient, time.Now())
			}
		}
		begin := time.Now()
		h := k.holder("user", "1")
		if err := k.acquire(t.Context(), &h.slot); err != nil || time.Since(begin) != 0 {
			t.Errorf("a slot: %v after %v", err, time.Since(begin))
		}
		told := 0
		for _, h := range stuck {
			if h.told {
				told++
				if !errors.Is(h.slot.moved(toClient), errStuckClient) {
					t.Error("who was ended does not learn it")
				}
			}
		}
		if told != 1 || slow[0].told || slow[1].told || late[0].told || k.shed.Load() != 1 {
			t.Errorf("%d stuck ones were ended, and others: %v %v %v", told, slow[0].told, slow[1].told, late[0].told)
		}
	})
}

// BenchmarkSlot is what a free slot costs a request.
func BenchmarkSlot(b *testing.B) {
	k := newSlotTable(4096, 4096, 1024, 1024)
	h := k.holder("user", "192.0.2.1:5000")
	b.ReportAllocs()
	for b.Loop() {
		k.acquire(b.Context(), &h.slot)
		k.release(&h.slot)
	}
}

// The whole way, over both protocols: one user holds all that one may, is told to wait
// for more, and others are served.
func TestSEC3OneUserDoesNotTakeAll(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		over := make(chan bool)
		up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
			if r.URL.Path == "/v2/held" {
				<-over
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return true
		})
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Metrics, c.Limits.UpstreamConnections, c.Limits.UpstreamQueue = m, 4, 1
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		var asking sync.WaitGroup
		statuses := make(chan int, 10)
		ask := func() { asking.Go(func() { statuses <- tg.do(t, "push", "GET", "/v2/held", nil).StatusCode }) }
		for i := range 3 { // two are carried out, and one waits
			ask()
			testkit.Await(t, "it is under way", func() bool { used, waiting := tg.sites.current().slots.counts(); return used+waiting == i+1 })
		}
		resp := tg.do(t, "push", "GET", "/v2/held", nil)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.Proto != name {
			t.Errorf("%s: one more over %s: status %d, Retry-After %q", name, resp.Proto, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: another user: status %d", name, resp.StatusCode)
		}
		if got := samples(t, m, "gatehouse_upstream_refused_total")["reason=client"]; got != 1 {
			t.Errorf("%s: %v refused, want 1", name, got)
		}
		close(over)
		asking.Wait()
		close(statuses)
		for status := range statuses {
			if status != 200 && status != 503 { // of the one that waited, if that took long
				t.Errorf("%s: status %d", name, status)
			}
		}
		if used, _ := tg.sites.current().slots.counts(); used != 0 {
			t.Errorf("%s: %d slots are left in use", name, used)
		}
	}
}

// A client that takes nothing of an answer loses it when another user has to wait, over
// both protocols; the next one is not told of it.
func TestSEC3StuckReaderIsCutOff(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/x" {
				io.Copy(w, zeros(64<<20))
			}
		})
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Metrics, c.Limits.UpstreamConnections = m, 1
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.URL))
		if change == nil {
			tg.dial(t).send(t, head("GET /v2/x HTTP/1.1"))
		} else {
			h := dialH2(t, tg)
			h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			h.begin(1, true)
		}
		k := tg.sites.current().slots
		testkit.Await(t, name+": the client is waited for", func() bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.all.next != &k.all && k.all.next.isStuck(time.Now().Add(-100*time.Millisecond).UnixNano())
		})
		k.mu.Lock() // half a minute passes
		k.all.next.waits[toClient].Store(time.Now().Add(-stuckAfter).UnixNano())
		k.mu.Unlock()
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: the next one: status %d", name, resp.StatusCode)
		}
		if got := samples(t, m, "gatehouse_stuck_clients_shed_total")[""]; got != 1 {
			t.Errorf("%s: %v clients were cut off, want 1", name, got)
		}
		testkit.Await(t, name+": all have ended", func() bool { return tg.Stats().Running == 0 })
		// The slot is given back before the record is written, so that either may be first.
		records := tg.records(t, 2)
		if !slices.ContainsFunc(records, func(r map[string]any) bool { return r["code"] == "request.stuck" }) {
			t.Errorf("%s: the records say %v", name, records)
		}
	}
}

// A slot may be taken away between two pieces of a body, before the next deadline is set:
// nobody waits for its client any more.
func TestSlotThatWasTakenAwayWaitsForNobody(t *testing.T) {
	var s slot
	s.ended.Store(true)
	moved := false
	touch := func() (int, error) { moved = true; return 1, nil }
	deadline := func(time.Time) error { return nil }
	up := &uploadBody{body: readerFunc(func([]byte) (int, error) { return touch() }), left: 9, deadline: deadline, pace: flow.NewPace(time.Minute, deadline), rate: newRate(testLimits().Limits), slot: &s}
	if n, err := up.Read(make([]byte, 9)); n != 0 || !errors.Is(err, errStuckClient) {
		t.Errorf("read %d bytes of the request: %v", n, err)
	}
	x := &exchange{site: &site{limits: testLimits()}, pace: &flow.Pace{Idle: time.Minute, Set: deadline}, slot: &s, w: writerFunc(func([]byte) (int, error) { return touch() })}
	if n, err := x.sender()([]byte("answer")); n != 0 || !errors.Is(err, errStuckClient) {
		t.Errorf("sent %d bytes of the answer: %v", n, err)
	}
	if moved || s.waits[toClient].Load() != 0 || s.waits[fromClient].Load() != 0 {
		t.Errorf("moved: %v, waits since %v and %v", moved, s.waits[toClient].Load(), s.waits[fromClient].Load())
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
func (writerFunc) Header() http.Header           { return nil }
func (writerFunc) WriteHeader(int)               {}
