package ldap

import (
	"testing"
	"testing/synctest"
	"time"
)

// Each question has its own time, though one timer serves for all.
func TestEveryQuestionHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expired := 0
		l := limit{expire: func() { expired++ }}
		defer l.stop()
		for _, tt := range []struct {
			limit, took, idle time.Duration
			over              bool
		}{
			{4 * time.Second, time.Second, 0, false},
			{4 * time.Second, 3999 * time.Millisecond, 0, false}, // the timer goes off meanwhile
			{4 * time.Second, 4001 * time.Millisecond, 0, true},
			{4 * time.Second, time.Millisecond, time.Hour, false},
			{4 * time.Second, time.Second, 0, false},
			{time.Second, 999 * time.Millisecond, 0, false}, // is over before the timer goes off
			{4 * time.Second, time.Second, 0, false},
			{time.Second, 1001 * time.Millisecond, 0, true},
			{4 * time.Second, 1001 * time.Millisecond, 0, false},
		} {
			before := expired
			l.begin(tt.limit)
			time.Sleep(tt.took)
			if over := l.end(); over != tt.over || (expired > before) != tt.over {
				t.Errorf("%v of %v: got over %v, expired %d times, want %v", tt.took, tt.limit, over, expired-before, tt.over)
			}
			time.Sleep(tt.idle)
		}
		before := expired
		time.Sleep(time.Hour)
		if expired != before {
			t.Error("the time is over of a question that was answered")
		}
	})
}
