package record

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gatehouse/backend/shown"
)

// apacheFields reads a record of the common or combined form as programs do that know
// these: the name of the user is what stands between the second and the third blank.
var apacheFields = regexp.MustCompile(`^(\S+) - (\S+) \[([^]]+)\] "((?:[^"\\]|\\.)*)" (\d+) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?$`)

// FuzzAccessRecordsCannotBeForged has every record, whatever others have chosen in it,
// be one line of visible characters that reads as one record with the values it was
// made from.
func FuzzAccessRecordsCannotBeForged(f *testing.F) {
	for _, s := range []string{
		"alice", "-", "a b", `x [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1`, "\\x20", "a\nb\r", "\u009b31m\u202e\u2066\u200b", "\xff\x9b", "\"", "\\", "]", "\u2028\U000e0041", "\u00a0\u3164",
	} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, user, host, agent string) {
		a := &Access{
			Start: time.Now(), Source: "192.0.2.1", User: user, Method: "GET", Host: host, Target: "/v2/", Proto: "HTTP/1.1",
			UserAgent: agent, Referer: host, Status: 200, Bytes: 1,
		}
		for _, form := range []string{JSON, Common, Combined} {
			var out bytes.Buffer
			log, err := NewAccessLog(form, &out)
			if err != nil {
				t.Fatal(err)
			}
			log.Record(a)
			line, ended := strings.CutSuffix(out.String(), "\n")
			if i := strings.IndexFunc(line, shown.Invisible); !ended || i >= 0 || !utf8.ValidString(line) {
				t.Errorf("%s: invisible at %d: %q", form, i, line)
			}
			if form == JSON {
				var got struct{ User, Host, Level string }
				if err := json.Unmarshal([]byte(line), &got); err != nil || utf8.ValidString(Bounded(user)) && got.User != Bounded(user) || got.Level != "INFO" {
					t.Errorf("%q: %+v, %v", line, got, err)
				}
				continue
			}
			fields := apacheFields.FindStringSubmatch(line)
			if fields == nil || fields[4] != "GET /v2/ HTTP/1.1" || fields[5] != "200" || fields[6] != "1" || (fields[2] == "-") != (user == "") {
				t.Errorf("%s: %q reads as %q", form, line, fields)
			}
		}
	})
}
