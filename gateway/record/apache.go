package record

import (
	"strconv"
	"strings"

	"gatehouse/backend/shown"
)

// apacheTime is the %t of Apache's formats.
const apacheTime = "[02/Jan/2006:15:04:05 -0700]"

// appendApacheRecord appends a record in the format "common" of Apache httpd, or in
// "combined", as a line.
func appendApacheRecord(b []byte, a *Access, combined bool) []byte {
	b = append(b, a.Source...)
	b = append(b, " - "...)
	b = appendApacheName(b, a.User)
	b = append(b, ' ')
	b = a.Start.AppendFormat(b, apacheTime)
	b = append(b, ` "`...)
	b = appendApache(b, strings.TrimRight(a.Method+" "+a.Target+" "+a.Proto, " "))
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	b = append(b, ' ')
	if a.Bytes == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, a.Bytes, 10)
	}
	if combined {
		b = append(b, ` "`...)
		b = appendApache(b, orDash(shown.WithoutUserinfo(a.Referer)))
		b = append(b, `" "`...)
		b = appendApache(b, orDash(a.UserAgent))
		b = append(b, '"')
	}
	return append(b, '\n')
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
	for _, c := range []byte(Bounded(s)) {
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
