package htpasswd

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// queue has callers ask for slots and takes down who was let in, in the order of that.
type queue struct {
	slots slots
	mu    sync.Mutex
	let   []string
}

// ask asks for an amount of memory for a second of work, as who is known or not.
func (q *queue) ask(t *testing.T, name string, known bool, memory int) {
	ctx := backend.WithCall(t.Context(), &backend.Call{Ahead: known})
	go func() {
		err := q.slots.do(ctx, memory, func() {
			q.mu.Lock()
			q.let = append(q.let, name)
			q.mu.Unlock()
			time.Sleep(time.Second)
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}()
	synctest.Wait() // until it has its place
}

// order returns who was let in, in the order of that.
func (q *queue) order() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.let)
}

// A user whose login was right lately waits for one stranger at most, whether hashes wait
// for memory or for a processor.
func TestStrangersDoNotHoldUpKnownLogins(t *testing.T) {
	for name, memory := range map[string]int{"memory": 100, "processors": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queue{slots: newSlots(1, 20, NewMemory(100))}
				for range 21 { // the queue of strangers is full
					q.ask(t, "stranger", false, memory)
				}
				for range 3 {
					q.ask(t, "known", true, memory)
				}
				time.Sleep(time.Minute)
				want := []string{"stranger", "known", "stranger", "known", "stranger", "known", "stranger"}
				if let := q.order(); len(let) != 24 || !slices.Equal(let[:len(want)], want) {
					t.Errorf("let in were %v, want first %v", let, want)
				}
			})
		})
	}
}

// Those who are known cannot keep strangers out either.
func TestKnownLoginsDoNotHoldUpStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{slots: newSlots(8, 20, NewMemory(100))}
		for range 20 {
			q.ask(t, "known", true, 100)
		}
		q.ask(t, "stranger", false, 100)
		time.Sleep(time.Minute)
		if let := q.order(); !slices.Contains(let[:min(3, len(let))], "stranger") {
			t.Errorf("the stranger was not among the first of %v", let)
		}
	})
}

// Whoever gives up lets those pass whom a claim too large for what is left held up.
func TestClaimThatIsGivenUpHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		if err := b.acquire(t.Context(), 60, strangers); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		large, small := make(chan error, 1), make(chan error, 1)
		go func() { large <- b.acquire(ctx, 100, strangers) }()
		synctest.Wait()
		go func() { small <- b.acquire(t.Context(), 10, strangers) }()
		synctest.Wait()
		if used, waiting := b.stats(); used != 60 || waiting != 2 {
			t.Errorf("%d used and %d waiting, want 60 and 2: the first in line goes first", used, waiting)
		}
		cancel()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		if err := <-small; err != nil {
			t.Error(err)
		}
		b.release(60)
		b.release(10)
		if used, waiting := b.stats(); used != 0 || waiting != 0 {
			t.Errorf("%d used and %d waiting are left", used, waiting)
		}
	})
}

func TestStatsOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(100)
		q := &queue{slots: newSlots(8, 20, memory)}
		q.ask(t, "one", false, 60)
		q.ask(t, "another", true, 60)
		if used, total, waiting := memory.Stats(); used != 60 || total != 100 || waiting != 1 {
			t.Errorf("%d of %d used and %d waiting, want 60 of 100 and 1", used, total, waiting)
		}
		time.Sleep(time.Minute)
		if used, _, waiting := memory.Stats(); used != 0 || waiting != 0 {
			t.Errorf("%d used and %d waiting when all are done", used, waiting)
		}
	})
}
