package flow

import (
	"testing"
	"time"
)

func TestPaceSetsADeadlineOnceInAWhile(t *testing.T) {
	set := 0
	p := NewPace(time.Hour, func(time.Time) error { set++; return nil })
	for range 100 {
		p.Step()
	}
	if set != 1 {
		t.Errorf("the deadline was set %d times", set)
	}
}
