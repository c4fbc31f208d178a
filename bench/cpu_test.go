package main

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 4242 4242 0 -1 4194560 100 200 0 0 150 50 7 3 20 0 2 0 1000 1 2"
	want := procStat{pid: 4243, group: 4242, own: 2 * time.Second, children: 100 * time.Millisecond}
	for _, name := range []string{"nginx", "two words", "a) S 1 9 (b", ""} {
		got, err := parseStat("4243 (" + name + ")" + rest)
		if err != nil || got != want {
			t.Errorf("name %q: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestParseStatRefusesWhatItCannotRead(t *testing.T) {
	for _, line := range []string{
		"", "4243", "4243 nginx S 1", ") 4243 (", "4243 (nginx) S 1 2",
		"x (nginx) S 1 4242 4242 0 -1 4194560 100 200 0 0 150 50 7 3 20 0",
		"4243 (nginx) S 1 4242 4242 0 -1 4194560 100 200 0 0 150 -- 7 3 20 0",
	} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("%q: got %+v, want an error", line, got)
		}
	}
}

func TestParseRSS(t *testing.T) {
	got, err := parseRSS("Name:\tnginx\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nRssAnon:\t 1 kB\n")
	if err != nil || got != 8<<20 {
		t.Errorf("got %d, %v, want %d", got, err, 8<<20)
	}
	if got, err := parseRSS("Name:\tnginx\nState:\tZ (zombie)\n"); err != nil || got != 0 {
		t.Errorf("ended process: got %d, %v, want 0", got, err)
	}
	if _, err := parseRSS("VmRSS:\t many kB\n"); err == nil {
		t.Error("nonsense was read")
	}
}
