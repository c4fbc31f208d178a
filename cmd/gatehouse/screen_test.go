package main

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
	"unsafe"
)

func TestWrapKeepsToTheWidth(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"one two", []string{"one two"}},
		{"one two three four", []string{"one two", "three four"}},
		{"äöüäöüäöüä zz", []string{"äöüäöüäöüä", "zz"}},
		{"a 0123456789abcdefghijKLM z", []string{"a", "0123456789", "abcdefghij", "KLM z"}},
	} {
		if got := wrap(tt.text, 10); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A shell reads a command that was cut as the one that it was.
func TestWrappedCommandIsTheSame(t *testing.T) {
	const text = `LDAPTLS_CACERT=ca.pem ldapsearch -x -H ldaps://dc1.corp.example -D "cn=a b,dc=corp" -b 'ou=people, dc=corp' '(&(objectClass=person)(uid=testuser))'`
	lines := wrapCommand(text, 40)
	if got := strings.ReplaceAll(strings.Join(lines, "\n"), " \\\n", " "); got != text || len(lines) < 3 {
		t.Errorf("got %q", lines)
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 40 && len(commandWords(line)) > 2 {
			t.Errorf("%q is too long, and has blanks to be cut at", line)
		}
		if strings.Count(line, "'")%2 != 0 || strings.Count(line, `"`)%2 != 0 {
			t.Errorf("%q ends within quotes", line)
		}
	}
}

// doctorOnTerminal returns what doctor writes on a terminal of some columns.
func doctorOnTerminal(t *testing.T, columns uint16, args ...string) string {
	t.Helper()
	user, program := terminal(t)
	size := [4]uint16{24, columns}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, program.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		t.Fatal(errno)
	}
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&shown, user) // until nobody has the other end
	}()
	run(t.Context(), append([]string{"doctor"}, args...), stdio{strings.NewReader(""), program, io.Discard})
	program.Close()
	<-read
	return strings.ReplaceAll(shown.String(), "\r\n", "\n")
}

// On a terminal doctor keeps to its width, and colours what somebody looks for.
func TestDoctorKeepsToTheTerminal(t *testing.T) {
	place := demoPlace{dir: t.TempDir(), address: "127.0.0.1:0", admin: "127.0.0.1:0"}
	stop, err := startDemoDirectory(&place)
	succeed(t, err)
	defer stop()
	succeed(t, place.writeKey())
	put(t, place.config(), strings.Replace(place.configText(), "group pusher", "group pushers", 1)) // which is none
	colours := regexp.MustCompile("\x1b\\[[0-9]*m")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for _, columns := range []uint16{50, 80, 132} {
		for _, args := range [][]string{{"--user", "alice"}, {"--user", "alice", "-v"}} {
			out := doctorOnTerminal(t, columns, append(args, "--config", place.config())...)
			if !strings.Contains(out, string(green)+"ok"+string(plain)) || !strings.Contains(out, string(red)+"FAIL"+string(plain)) {
				t.Errorf("%d columns, %q: no colours in\n%q", columns, args, out)
			}
			for line := range strings.Lines(colours.ReplaceAllString(out, "")) {
				line = strings.TrimSuffix(line, "\n")
				if cut := strings.TrimSuffix(line, ` \`); utf8.RuneCountInString(line) > int(columns) && strings.ContainsAny(strings.TrimLeft(cut, "$ "), " ") && !strings.ContainsAny(line, `'"`) {
					t.Errorf("%d columns, %q: a line has %d: %q", columns, args, utf8.RuneCountInString(line), line)
				}
			}
		}
	}
	t.Setenv("NO_COLOR", "1")
	if out := doctorOnTerminal(t, 80, "--config", place.config()); colours.MatchString(out) {
		t.Errorf("colours in spite of NO_COLOR:\n%q", out)
	}
}

// A step that went well is one line. What failed says what to do, and how by hand.
func TestDoctorIsBrief(t *testing.T) {
	place := demoPlace{dir: t.TempDir(), address: "127.0.0.1:0", admin: "127.0.0.1:0"}
	stop, err := startDemoDirectory(&place)
	succeed(t, err)
	defer stop()
	succeed(t, place.writeKey())
	put(t, place.config(), place.configText())
	_, brief, _ := invoke(t, "doctor --config "+place.config())
	_, verbose, _ := invoke(t, "doctor -v --config "+place.config())
	if strings.Contains(brief, "\n      $ ") || !strings.Contains(verbose, "\n      $ ") {
		t.Errorf("commands stand in what is brief, or not in what is verbose:\n%s\n%s", brief, verbose)
	}
	state := ""
	for line := range strings.Lines(brief) {
		if !strings.HasPrefix(line, " ") {
			state, _, _ = strings.Cut(line, " ")
		} else if state == "ok" {
			t.Errorf("more than a line of what went well: %q", line)
		}
		if utf8.RuneCountInString(line) > widthUnknown+1 {
			t.Errorf("a line too long: %q", line)
		}
	}
	put(t, place.config(), strings.Replace(place.configText(), "group pusher", "group pushers", 1))
	code, failed, _ := invoke(t, "doctor --config "+place.config())
	if n := strings.Count(failed, "\n      $ "); code != 1 || n != strings.Count(failed, "FAIL ") || n == 0 || !strings.Contains(failed, "\n      -> ") {
		t.Errorf("exit %d, %d commands:\n%s", code, n, failed)
	}
}

// What works and has advice is neither well nor a failure.
func TestDoctorWarns(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	finding{Backend: "corp", Step: "TLS", Subject: "dc1", OK: true, Text: "3 days left", Advice: "have the certificate renewed", Command: "openssl"}.print(s, false)
	if got := out.String(); got != "warn  corp  TLS dc1 (0s)\n      3 days left\n      -> have the certificate renewed\n" {
		t.Errorf("got\n%s", got)
	}
}
