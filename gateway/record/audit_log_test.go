package record

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// auditOf returns a log of decisions in a file that is not there yet.
func auditOf(t *testing.T) (a *AuditLog, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	return openTestAudit(t, path), path
}

func openTestAudit(t *testing.T, path string) *AuditLog {
	t.Helper()
	a, err := OpenAuditLog(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// A log that is moved away and opened anew has each record in one of the files.
func TestAuditGoesOnInANewFile(t *testing.T) {
	a, path := auditOf(t)
	const n = 2000
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range n {
				a.Write([]byte("{}\n"), 0)
			}
		})
	}
	for i := range 20 {
		if err := os.Rename(path, fmt.Sprint(path, i)); err != nil {
			t.Fatal(err)
		}
		if err := a.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	files, _ := filepath.Glob(path + "*")
	lines := 0
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if left := strings.ReplaceAll(string(text), "{}\n", ""); left != "" {
			t.Errorf("%s has parts of records: %.100q", file, left)
		}
		lines += bytes.Count(text, newline)
	}
	if lines != 4*n || a.Lost() != 0 {
		t.Errorf("got %d records in %d files and %d lost, want %d", lines, len(files), a.Lost(), 4*n)
	}
}

// A pipe that nobody reads holds up no request, takes bounded memory, and what it
// does not take is counted.
func TestBlockedAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuditLog(path, nil); err == nil {
		t.Error("a pipe without a reader was opened")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	a := openTestAudit(t, path)
	record := append(bytes.Repeat([]byte("x"), 64<<10-1), '\n')
	for range 3 * MaxAuditBytes / len(record) {
		a.Write(record, 0)
	}
	if a.Lost() == 0 {
		t.Error("no record was counted as lost")
	}
	if a.Reserve(len(record)) {
		t.Error("room was promised that is not there")
	}
	if len(a.queue.waiting) > MaxAuditBytes {
		t.Errorf("%d bytes wait, want at most %d", len(a.queue.waiting), MaxAuditBytes)
	}
}

func TestAuditLogThatCannotBeOpened(t *testing.T) {
	_, err := OpenAuditLog(filepath.Join(t.TempDir(), "none", "audit.log"), nil)
	if err == nil || !strings.Contains(err.Error(), "make the folder") {
		t.Errorf("got %v, want advice", err)
	}
}

// What a failed write has left of a record belongs into the file that it was begun
// in, and into no other.
func TestRestOfARecordStaysInItsFile(t *testing.T) {
	for _, moved := range []bool{false, true} {
		a, path := auditOf(t)
		begun := a.out
		if moved {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Reopen(); err != nil {
			t.Fatal(err)
		}
		batch, want, lost := []byte("rest\"}\n{}\n"), "rest\"}\n{}\n", uint64(0)
		if moved {
			want, lost = "{}\n", 1
		}
		for range 2 { // the first write fails, and the rest is lost once
			a.next(&batch, &begun)
		}
		if string(batch) != want || a.Lost() != lost {
			t.Errorf("moved %v: to be written: %q, lost %d; want %q and %d", moved, batch, a.Lost(), want, lost)
		}
	}
}
