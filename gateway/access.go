package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// accessLog writes one record for each request. What a client sent appears in it
// escaped, and credentials not at all.
type accessLog interface {
	record(x *exchange)
}

// Forms of the access record, as Config.AccessLog names them.
const (
	accessJSON     = "json"
	accessCommon   = "common"
	accessCombined = "combined"
	accessOff      = "off"
)

func newAccessLog(form string, out io.Writer) (accessLog, error) {
	switch form {
	case "", accessJSON:
		return &jsonAccess{out}, nil
	case accessCommon, accessCombined:
		return &apacheAccess{out: out, combined: form == accessCombined}, nil
	case accessOff:
		return noAccess{}, nil
	}
	return nil, fmt.Errorf("access log %q: it can be json, common, combined or off", form)
}

type noAccess struct{}

func (noAccess) record(*exchange) {}

// withCauses writes beside an access log that has no place for it, to the log of
// the program, what went wrong with a request and was not the client's doing.
type withCauses struct {
	accessLog
	log *slog.Logger
}

func (l withCauses) record(x *exchange) {
	l.accessLog.record(x)
	cutShort := x.status != 0 && x.status < http.StatusBadRequest && !x.clientGone()
	misdirected := x.status == http.StatusMisdirectedRequest // by a proxy before the gateway, as a rule
	if x.cause != nil && (cutShort || misdirected || x.status >= http.StatusInternalServerError) {
		l.log.Error("request failed", "id", x.id, "status", x.status, fault.Attr, fault.Of(x.cause), "cause", bounded(x.cause.Error()))
	}
}

// jsonAccess writes records as JSON, one in each line.
type jsonAccess struct{ out io.Writer }

// maxLoggedText bounds each text of a record that a client has chosen.
const maxLoggedText = 4 << 10

func (l *jsonAccess) record(x *exchange) {
	level := slog.LevelInfo
	if x.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	b := jsonLines.Get().(*jsonLine)
	defer jsonLines.Put(b)
	b.begin()
	b.time(slog.TimeKey, x.start)
	b.text(slog.LevelKey, level.String())
	b.text(slog.MessageKey, "request")
	b.text("id", x.id)
	b.text("source", x.from.text)
	b.text("user", bounded(x.user()))
	b.text("backend", x.who.Identity.Source)
	b.text("method", bounded(x.r.Method))
	b.text("host", bounded(x.r.Host))
	b.text("target", bounded(x.sentTarget()))
	b.text("proto", bounded(x.r.Proto))
	b.text("rule", x.decision.Rule)
	b.number("status", int64(x.loggedStatus()))
	b.number("bytes", x.sent)
	b.seconds("seconds", time.Since(x.start))
	b.text("user_agent", bounded(x.r.UserAgent()))
	if x.call.Cache != "" {
		b.text("cache", string(x.call.Cache))
	}
	if x.cause != nil {
		b.text("cause", bounded(x.cause.Error()))
	}
	if code := fault.Of(x.cause); code != "" {
		b.text(fault.Attr, string(code))
	}
	l.out.Write(b.end())
}

func bounded(s string) string {
	if len(s) > maxLoggedText {
		return s[:maxLoggedText]
	}
	return s
}

// statusClientGone is what the record says of a request that nobody waited for
// any more. It is nginx's number; no client ever sees it.
const statusClientGone = 499

// loggedStatus is the status that the client saw, or was going to.
func (x *exchange) loggedStatus() int {
	if x.status == 0 {
		return statusClientGone
	}
	return x.status
}

// user is the name to log: the one that the backend vouched for, else the one that
// was sent.
func (x *exchange) user() string {
	if x.who.LoggedIn {
		return x.who.Identity.User
	}
	return x.claimed
}

// apacheAccess writes the log formats "common" and "combined" of Apache httpd.
type apacheAccess struct {
	out      io.Writer
	combined bool
}

// apacheTime is the %t of Apache's formats.
const apacheTime = "[02/Jan/2006:15:04:05 -0700]"

func (l *apacheAccess) record(x *exchange) {
	b := make([]byte, 0, 512)
	b = append(b, x.from.text...)
	b = append(b, " - "...)
	b = appendApacheName(b, x.user())
	b = append(b, ' ')
	b = x.start.AppendFormat(b, apacheTime)
	b = append(b, ` "`...)
	b = appendApache(b, strings.TrimRight(x.r.Method+" "+x.sentTarget()+" "+x.r.Proto, " "))
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(x.loggedStatus()), 10)
	b = append(b, ' ')
	if x.sent == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, x.sent, 10)
	}
	if l.combined {
		b = append(b, ` "`...)
		b = appendApache(b, orDash(shown.WithoutUserinfo(x.r.Referer())))
		b = append(b, `" "`...)
		b = appendApache(b, orDash(x.r.UserAgent()))
		b = append(b, '"')
	}
	l.out.Write(append(b, '\n'))
}

// sentTarget is the target of the request as it was sent, but for the user part of a
// URL, in which browsers and scripts put passwords.
func (x *exchange) sentTarget() string {
	if strings.HasPrefix(x.r.RequestURI, "/") {
		return x.r.RequestURI
	}
	return shown.WithoutUserinfo(x.r.RequestURI)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// appendApacheName appends the name of a user, which stands in no quotes: a blank or a
// bracket in it, or a name that is a dash, would make other fields of the record.
func appendApacheName(b []byte, name string) []byte {
	switch name {
	case "":
		return append(b, '-')
	case "-":
		return append(b, `\x2d`...)
	}
	return appendApacheBut(b, name, " []")
}

// appendApache appends s as Apache escapes what clients send.
func appendApache(b []byte, s string) []byte { return appendApacheBut(b, s, "") }

// appendApacheBut is appendApache with further characters that may not stand as they are.
func appendApacheBut(b []byte, s, further string) []byte {
	for _, c := range []byte(bounded(s)) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b', c == '\n', c == '\r', c == '\t', c == '\v':
			b = append(b, '\\', "btnv.r"[c-'\b'])
		case c < ' ' || c >= 0x7f || strings.IndexByte(further, c) >= 0:
			b = append(b, `\x`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
