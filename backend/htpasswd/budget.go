package htpasswd

import (
	"context"
	"slices"
	"sync"
)

// A line is one of the two in which callers wait for a budget.
type line int

const (
	strangers line = iota
	ahead          // callers whose login was right lately, see backend.Call
	lines
)

// A budget is an amount of which callers take a part for a while. The two lines take
// turns where callers wait in both. So a user whose login was right lately waits for one
// stranger at most that came before, however many there are, and cannot keep strangers
// out. Within a line the first goes first, and a caller who wants more than is left holds
// up those behind: otherwise small parts would keep a large one waiting for ever.
type budget struct {
	mu      sync.Mutex
	total   int
	used    int
	next    line // whose turn it is, if callers wait in both
	waiting [lines][]*claim
}

// A claim is what a caller waits for.
type claim struct {
	amount  int
	granted chan struct{}
}

func newBudget(total int) *budget { return &budget{total: total, next: ahead} }

// acquire takes an amount once it is the caller's turn and so much is left. It fails if
// ctx is done before that.
func (b *budget) acquire(ctx context.Context, amount int, in line) error {
	c := &claim{amount, make(chan struct{})}
	b.mu.Lock()
	b.waiting[in] = append(b.waiting[in], c)
	b.grant()
	b.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-c.granted: // at the same moment
		b.used -= amount
	default:
		b.waiting[in] = slices.DeleteFunc(b.waiting[in], func(other *claim) bool { return other == c })
	}
	b.grant() // to those whom the caller held up
	return ctx.Err()
}

// release gives back what acquire took.
func (b *budget) release(amount int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= amount
	b.grant()
}

// grant gives what is left to those who wait. It is called with mu held.
func (b *budget) grant() {
	for {
		in := b.next
		if len(b.waiting[in]) == 0 {
			in = other(in)
		}
		if len(b.waiting[in]) == 0 || b.used+b.waiting[in][0].amount > b.total {
			return
		}
		c := b.waiting[in][0]
		b.used += c.amount
		b.waiting[in] = slices.Delete(b.waiting[in], 0, 1)
		b.next = other(in)
		close(c.granted)
	}
}

func other(in line) line { return lines - 1 - in }

// stats returns how much is taken, and how many wait.
func (b *budget) stats() (used, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.waiting[strangers]) + len(b.waiting[ahead])
}
