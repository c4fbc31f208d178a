package htpasswd

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func TestNoMoreHashesAtOnceThanSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, 100)
		var mu sync.Mutex
		running, most := 0, 0
		for range 20 {
			go func() {
				err := s.do(t.Context(), func() {
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
		s := newSlots(1, 2)
		for range 3 {
			go func() {
				if err := s.do(t.Context(), func() { time.Sleep(time.Second) }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		err := s.do(t.Context(), func() { t.Error("called beyond the bound") })
		if !errors.Is(err, backend.ErrUnavailable) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want ErrUnavailable at once", err, time.Since(start))
		}
		time.Sleep(time.Minute)
		if err := s.do(t.Context(), func() {}); err != nil {
			t.Errorf("after the queue is gone: %v", err)
		}
	})
}

func TestCallerWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1)
		go s.do(t.Context(), func() { time.Sleep(time.Minute) })
		synctest.Wait()
		for range 3 { // each takes the one place in the queue
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			err := s.do(ctx, func() { t.Error("called for a caller who has gone") })
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
	err := newSlots(1, 1).do(ctx, func() { t.Error("called") })
	if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable and Canceled", err)
	}
}

func TestSlotIsFreedByPanic(t *testing.T) {
	s := newSlots(1, 0)
	func() {
		defer func() { _ = recover() }()
		_ = s.do(t.Context(), func() { panic("test") })
	}()
	if err := s.do(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
}
