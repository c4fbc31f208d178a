package record

import (
	"strconv"
	"sync"
	"time"

	"gatehouse/backend/shown"
)

// jsonLine is an object of JSON in one line, made for records of which there is one
// for every request: slog's handler takes three times as long for them. It looks as
// if slog's JSON handler had written it.
type jsonLine struct{ buf []byte }

var jsonLines = sync.Pool{New: func() any { return &jsonLine{make([]byte, 0, 1<<10)} }}

func (l *jsonLine) begin() { l.buf = append(l.buf[:0], '{') }

// end returns the line, which holds until the next begin.
func (l *jsonLine) end() []byte {
	l.buf[len(l.buf)-1] = '}' // in place of the last comma
	l.buf = append(l.buf, '\n')
	return l.buf
}

// key appends a key, which needs no escapes.
func (l *jsonLine) key(key string) {
	l.buf = append(l.buf, '"')
	l.buf = append(l.buf, key...)
	l.buf = append(l.buf, '"', ':')
}

func (l *jsonLine) text(key, value string) {
	l.key(key)
	l.buf = append(shown.AppendJSON(l.buf, value), ',')
}

func (l *jsonLine) number(key string, value int64) {
	l.key(key)
	l.buf = append(strconv.AppendInt(l.buf, value, 10), ',')
}

func (l *jsonLine) seconds(key string, value time.Duration) {
	l.key(key)
	l.buf = append(strconv.AppendFloat(l.buf, value.Seconds(), 'f', -1, 64), ',')
}

func (l *jsonLine) time(key string, value time.Time) {
	l.key(key)
	l.buf = append(l.buf, '"')
	l.buf = append(value.AppendFormat(l.buf, time.RFC3339Nano), '"', ',')
}
