package record

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/shown"
)

// FuzzJSONLine holds a line to what slog's JSON handler writes of the same, but for
// invisible characters, which it leaves as they are.
func FuzzJSONLine(f *testing.F) {
	for _, s := range []string{"", "alice", `a"b\c`, "a\x00b\x1b[2J\r\n\t", "<a>&amp;", "\x7f", "grün", "\u2028\u2029", "\xff\xc0\x80", "\ufffd\u202e\u009b\u200b\b\f", strings.Repeat("x", 5000) + `"`} {
		f.Add(s, int64(len(s)))
	}
	f.Fuzz(func(t *testing.T, s string, n int64) {
		at := time.Unix(n&0xffffffff, n&0xfffffff).UTC()
		var want bytes.Buffer
		r := slog.NewRecord(at, slog.LevelError, s, 0)
		r.AddAttrs(slog.String("s", s), slog.Int64("n", n))
		slog.NewJSONHandler(&want, nil).Handle(t.Context(), r)

		l := &jsonLine{[]byte("of another record")}
		l.begin()
		l.time(slog.TimeKey, at)
		l.text(slog.LevelKey, slog.LevelError.String())
		l.text(slog.MessageKey, s)
		l.text("s", s)
		l.number("n", n)
		if got, want := l.end(), shown.JSON(want.Bytes()); !bytes.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestJSONLineHasSecondsAsANumber(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0", time.Nanosecond: "0.000000001", 38 * time.Microsecond: "0.000038", 90 * time.Minute: "5400"} {
		l := &jsonLine{}
		l.begin()
		l.seconds("s", d)
		got := string(l.end())
		if got != `{"s":`+want+"}\n" || !json.Valid([]byte(got)) {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
