package htpasswd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func TestNoMoreHashesAtOnceThanSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, 100, NewMemory(0))
		var mu sync.Mutex
		running, most := 0, 0
		for range 20 {
			go func() {
				err := s.do(t.Context(), 0, func() {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					running--
					mu.Unlock()
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if most != 2 {
			t.Errorf("up to %d at once, want 2", most)
		}
	})
}

func TestFullQueueIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 2, NewMemory(0))
		for range 3 {
			go func() {
				if err := s.do(t.Context(), 0, func() { time.Sleep(time.Second) }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		err := s.do(t.Context(), 0, func() { t.Error("called beyond the bound") })
		if !errors.Is(err, backend.ErrUnavailable) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want ErrUnavailable at once", err, time.Since(start))
		}
		time.Sleep(time.Minute)
		if err := s.do(t.Context(), 0, func() {}); err != nil {
			t.Errorf("after the queue is gone: %v", err)
		}
	})
}

func TestCallerWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1, NewMemory(0))
		go s.do(t.Context(), 0, func() { time.Sleep(time.Minute) })
		synctest.Wait()
		for range 3 { // each takes the one place in the queue
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			err := s.do(ctx, 0, func() { t.Error("called for a caller who has gone") })
			cancel()
			if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want ErrUnavailable and DeadlineExceeded", err)
			}
			if waited := time.Since(start); waited != time.Second {
				t.Errorf("waited %v, want 1s", waited)
			}
		}
		time.Sleep(time.Hour)
	})
}

func TestCallerWhoHasGoneTakesNoSlot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newSlots(1, 1, NewMemory(0)).do(ctx, 0, func() { t.Error("called") })
	if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable and Canceled", err)
	}
}

func TestSlotIsFreedByPanic(t *testing.T) {
	s := newSlots(1, 0, NewMemory(0))
	func() {
		defer func() { _ = recover() }()
		_ = s.do(t.Context(), 0, func() { panic("test") })
	}()
	if err := s.do(t.Context(), 0, func() {}); err != nil {
		t.Error(err)
	}
}

func TestHashesStayWithinTheirMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(100)
		var mu sync.Mutex
		taken, most := 0, 0
		add := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			taken += n
			most = max(most, taken)
		}
		for range 3 { // backends
			s := newSlots(8, 100, memory)
			for range 10 {
				go s.do(t.Context(), 40, func() { add(40); time.Sleep(time.Second); add(-40) })
			}
			synctest.Wait()
			start := time.Now()
			if err := s.do(t.Context(), 0, func() {}); err != nil || time.Since(start) != 0 {
				t.Errorf("a hash that takes no memory waited %v: %v", time.Since(start), err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if most != 80 || taken != 0 {
			t.Errorf("up to %d at once, want 80; %d left", most, taken)
		}
	})
}

func TestWaitForMemoryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8, 100, NewMemory(100))
		go s.do(t.Context(), 100, func() { time.Sleep(time.Minute) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.do(ctx, 1, func() { t.Error("called beyond the memory") })
		if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrUnavailable and DeadlineExceeded", err)
		}
		time.Sleep(time.Hour)
	})
}

// A file with a hash that could never be computed is refused, and every check of a file
// takes as much as its largest hash, also for a user whose own takes nothing.
func TestLargestHashIsWhatEveryCheckTakes(t *testing.T) {
	const bcryptLine = "bob:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n"
	argon := "alice:$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng\n"
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(bcryptLine+argon), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{UsersFile: path, Memory: NewMemory(64<<20 - 1)})
	if err == nil || !strings.Contains(err.Error(), path+":2: the hash takes 64 MiB") {
		t.Errorf("got %v, want a refusal that names the line", err)
	}
	memory := NewMemory(64 << 20)
	b, err := New(Config{UsersFile: path, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := memory.budget.acquire(t.Context(), 1, strangers); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob", "nobody"} {
		// Once begun, a hash is computed to its end, whoever waits for it.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := b.Authenticate(ctx, user, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v without the memory for a hash", user, err)
		}
		cancel()
	}
	memory.budget.release(1)
	if _, err := b.Authenticate(t.Context(), "nobody", "x"); !errors.Is(err, backend.ErrUnknownUser) {
		t.Errorf("with all of it: got %v", err)
	}
}
