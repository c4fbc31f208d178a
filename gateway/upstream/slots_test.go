package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const patience, stuckAfter = 5 * time.Second, 30 * time.Second

// holder is an exchange that ends when it is told to.
type holder struct {
	slots *Slots
	slot  Slot
	claim Claim
	told  bool
}

func (h *holder) Stop() {
	h.told = true
	go h.slots.Release(&h.slot)
}

// slotTable is a table of slots for a test in a bubble.
type slotTable struct {
	*Slots
	limits SlotLimits
}

func newSlotTable(total, upstream, client, queue int) *slotTable {
	return &slotTable{NewSlots(), SlotLimits{Total: total, Upstream: upstream, Client: client, Queue: queue, Patience: patience, Stuck: stuckAfter}}
}

func (k *slotTable) holder(user, upstream string) *holder {
	h := &holder{slots: k.Slots}
	h.claim = Claim{Client: Client{User: user}, Upstream: upstream, Limits: &k.limits, Holder: h}
	return h
}

// take acquires n slots, all of which must be free.
func (k *slotTable) take(t *testing.T, n int, user, upstream string) (all []*holder) {
	t.Helper()
	for range n {
		h := k.holder(user, upstream)
		begin := time.Now()
		if err := k.Acquire(t.Context(), &h.slot, h.claim); err != nil || time.Since(begin) > 0 {
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
			if err := k.Acquire(t.Context(), &late.slot, late.claim); !errors.Is(err, ErrNoSlot) || time.Since(begin) != patience {
				t.Errorf("%s: one more: %v after %v", name, err, time.Since(begin))
			}
			if got := k.refused[tt.reason].Load(); got != 1 {
				t.Errorf("%s: counted as refused: %d", name, got)
			}
			if tt.free[0] != "" {
				taken = append(taken, k.take(t, 1, tt.free[0], tt.free[1])...)
			}
			for _, h := range taken {
				k.Release(&h.slot)
				k.Release(&h.slot) // does no harm
			}
			if got := k.Stats(); got.Used != 0 || got.Waiting != 0 || len(k.clients) != 0 || len(k.upstreams) != 0 || k.all.next != &k.all {
				t.Errorf("%s: left: %+v, %v, %v", name, got, k.clients, k.upstreams)
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
				if k.Acquire(t.Context(), &h.slot, h.claim) == nil {
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
			k.Release(&h.slot)
			synctest.Wait()
		}
		if got := fmt.Sprint(order); got != "[modest newcomer greedy]" {
			t.Errorf("order %v, want modest, newcomer, greedy", got)
		}
		time.Sleep(patience)
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
				if err := k.Acquire(t.Context(), &h.slot, h.claim); errors.Is(err, ErrNoSlot) && time.Since(begin) == 0 {
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
		time.Sleep(patience)
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
		go func() { done <- k.Acquire(ctx, &late.slot, late.claim) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		late.slot.turn = make(chan bool, 1)
		k.mu.Lock()
		k.waiting.join(&late.slot)
		k.mu.Unlock()
		k.Release(&first.slot)
		k.giveUp(&late.slot) // its turn had come
		if got := k.Stats(); got.Used != 0 || got.Waiting != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

// Whoever gives up a request that waits because of what its client has is known as the one
// who has too much: its client may ask again and again.
func TestSEC3CallerThatHasGoneHadTooMuch(t *testing.T) {
	for user, want := range map[string]bool{"a": true, "b": false} {
		synctest.Test(t, func(t *testing.T) {
			k := newSlotTable(2, 1, 1, 3)
			k.take(t, 1, "a", "1")
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			late := k.holder(user, map[bool]string{true: "2", false: "1"}[want])
			err := k.Acquire(ctx, &late.slot, late.claim)
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrClientSlots) != want {
				t.Errorf("of %s: got %v", user, err)
			}
		})
	}
}

// Of clients that stand in the way and move nothing, one of that with most is ended.
func TestSEC3StuckClientsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSlotTable(6, 6, 4, 10)
		stuck := k.take(t, 3, "stuck", "1")
		slow := k.take(t, 2, "slow", "1")
		late := k.take(t, 1, "late", "1")
		for _, h := range append(stuck, slow...) {
			h.slot.Await(ToClient, time.Now())
		}
		late[0].slot.Await(FromClient, time.Now().Add(time.Second))
		for range stuckAfter / time.Second {
			time.Sleep(time.Second)
			for _, h := range slow {
				if err := h.slot.Moved(ToClient); err != nil {
					t.Fatal(err)
				}
				h.slot.Await(ToClient, time.Now())
			}
		}
		begin := time.Now()
		h := k.holder("user", "1")
		if err := k.Acquire(t.Context(), &h.slot, h.claim); err != nil || time.Since(begin) != 0 {
			t.Errorf("a slot: %v after %v", err, time.Since(begin))
		}
		told := 0
		for _, h := range stuck {
			if h.told {
				told++
				if !errors.Is(h.slot.Moved(ToClient), ErrStuckClient) {
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
		k.Acquire(b.Context(), &h.slot, h.claim)
		k.Release(&h.slot)
	}
}

// A slot may be taken away between two pieces of a body, before the next deadline is set:
// nobody waits for its client any more.
func TestSlotThatWasTakenAwayWaitsForNobody(t *testing.T) {
	for _, direction := range []Direction{ToClient, FromClient} {
		var s Slot
		s.ended.Store(true)
		if err := s.Await(direction, time.Now()); !errors.Is(err, ErrStuckClient) || s.waits[direction].Load() != 0 {
			t.Errorf("%v: %v, waited for since %v", direction, err, s.waits[direction].Load())
		}
	}
}
