package record

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/testkit"
)

// slowReader is a writer whose other end reads when reads is closed.
type slowReader struct {
	reads chan struct{}
	got   bytes.Buffer
}

func (r *slowReader) Write(p []byte) (int, error) {
	<-r.reads
	return r.got.Write(p)
}

// Neither memory nor requests hang on who reads the log.
func TestLogThatNobodyReadsLosesWholeLinesAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log := &slowReader{reads: make(chan struct{})}, new(testkit.Buffer)
		s := NewWriter(out, testkit.NewLog(log))
		line := []byte(strings.Repeat("x", 1<<10-1) + "\n")
		s.Write(line)
		time.Sleep(gathering)
		synctest.Wait() // the line is being written
		for range MaxAccessBytes/len(line) + 3 {
			if n, err := s.Write(line); n != len(line) || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
		}
		if len(s.queue.waiting) != MaxAccessBytes {
			t.Errorf("%d bytes wait, want %d", len(s.queue.waiting), MaxAccessBytes)
		}
		close(out.reads)
		s.Close()
		if got, want := out.got.String(), strings.Repeat(string(line), MaxAccessBytes/len(line)+1); got != want {
			t.Errorf("%d bytes were written, want %d", len(got), len(want))
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "count=3") {
			t.Errorf("logged %q, want one record of 3 lost lines", got)
		}
	})
}

func TestLogThatNobodyReadsDoesNotKeepTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &slowReader{reads: make(chan struct{})}
		s := NewWriter(out, testkit.NewLog(new(testkit.Buffer)))
		s.Write([]byte("line\n"))
		start := time.Now()
		s.Close()
		if took := time.Since(start); took != lastWrite {
			t.Errorf("close took %v, want %v", took, lastWrite)
		}
		close(out.reads)
	})
}
