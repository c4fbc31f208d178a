package record

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/backend/fault"
)

// Access is what the access log says of one request. Texts that a client has chosen may
// hold anything, and stand in the log escaped and cut. No field may hold credentials.
type Access struct {
	Start   time.Time
	Took    time.Duration
	ID      string
	Source  string // the address of the client
	User    string // whom a backend vouched for, else who was claimed to be there; empty for nobody
	Backend string

	Method, Host, Target, Proto string
	UserAgent, Referer          string

	Rule   string // which decided
	Status int    // that the client saw, or was going to
	Bytes  int64  // of the answer's body
	Cache  string // what the cache of logins knew; empty if it was not asked
	Cause  error  // what went wrong; nil if nothing did

	// Code and Reason say why a request was refused, or what went wrong.
	Code   fault.Code
	Reason fault.Reason
}

// AccessLog writes one record for each request, in one of the forms below. It may be used
// from any number of goroutines at once if its writer may.
type AccessLog struct {
	form string
	out  io.Writer
}

// Forms of the access record.
const (
	JSON     = "json"     // an object of JSON in one line
	Common   = "common"   // Apache's common log format
	Combined = "combined" // Apache's combined log format
	Off      = "off"      // no record
)

// NewAccessLog returns a log in form, which is JSON if it is empty, to out. Out is given
// one line at a time, which it must not keep.
func NewAccessLog(form string, out io.Writer) (*AccessLog, error) {
	switch form {
	case "":
		return &AccessLog{JSON, out}, nil
	case JSON, Common, Combined, Off:
		return &AccessLog{form, out}, nil
	}
	return nil, fmt.Errorf("access log %q: it can be json, common, combined or off", form)
}

// SaysCauses reports whether a record has a place for what went wrong with a request.
func (l *AccessLog) SaysCauses() bool { return l.form == JSON }

// Record writes the record of a request.
func (l *AccessLog) Record(a *Access) {
	switch l.form {
	case JSON:
		l.writeJSON(a)
	case Common, Combined:
		l.out.Write(appendApacheRecord(make([]byte, 0, 512), a, l.form == Combined))
	}
}

func (l *AccessLog) writeJSON(a *Access) {
	level := slog.LevelInfo
	if a.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	b := jsonLines.Get().(*jsonLine)
	defer jsonLines.Put(b)
	b.begin()
	b.time(slog.TimeKey, a.Start)
	b.text(slog.LevelKey, level.String())
	b.text(slog.MessageKey, "request")
	b.text("id", a.ID)
	b.text("source", a.Source)
	b.text("user", Bounded(a.User))
	b.text("backend", a.Backend)
	b.text("method", Bounded(a.Method))
	b.text("host", Bounded(a.Host))
	b.text("target", Bounded(a.Target))
	b.text("proto", Bounded(a.Proto))
	b.text("rule", a.Rule)
	b.number("status", int64(a.Status))
	b.number("bytes", a.Bytes)
	b.seconds("seconds", a.Took)
	b.text("user_agent", Bounded(a.UserAgent))
	if a.Cache != "" {
		b.text("cache", a.Cache)
	}
	if a.Cause != nil {
		b.text("cause", Bounded(a.Cause.Error()))
	}
	if a.Code != "" {
		b.text(fault.Attr, string(a.Code))
	}
	if a.Reason != "" {
		b.text("reason", string(a.Reason))
	}
	l.out.Write(b.end())
}

// MaxText bounds each text of a record that a client has chosen, in bytes.
const MaxText = 4 << 10

// Bounded returns s, cut to MaxText bytes.
func Bounded(s string) string {
	if len(s) > MaxText {
		return s[:MaxText]
	}
	return s
}
