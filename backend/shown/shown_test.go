package shown

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestURLsWithoutSecretsAreShown(t *testing.T) {
	for _, text := range []string{
		"ldaps://dc1.corp.example", "ldap://10.0.0.1:389", "ldaps://[fd00::1]:636", "ldapi:///run/slapd/ldapi", "ldapi://%2Frun%2Fslapd%2Fldapi",
		"srv:_ldap._tcp.corp.example", "http://127.0.0.1:5000", "http://nexus:8081/repository/docker", "unix:/run/registry.sock", "https:///v2",
	} {
		if got := URL(text); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

func TestURLsThatMayHoldSecretsAreNotShown(t *testing.T) {
	for _, text := range []string{
		"", "hunter2", "Wint3r-Pa55word!", "svc:hunter2", "dc1:636", "//svc:hunter2@h", "ldaps://svc:hunter2@h", "ldaps://svc@h", "ldaps://hunter2@",
		"ldaps://svc:hun/ter2@h", "ldaps://svc:hunter2", "ldaps://svc:12/34@h", "ldaps://svc:12/34%40h", "ldaps://svc#hunter2@h", "ldaps://svc?hunter2",
		"ldaps://svc:hun ter2@h", "ldaps://h\x00", "http://h/%zz", "unix:", "mailto:svc@h", "ldapi://%2Frun%40x", "ldaps://h\nhunter2",
	} {
		if got := URL(text); got != Redacted {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

func TestUserPartsOfURLsAreLeftOutOfMessages(t *testing.T) {
	for text, want := range map[string]string{
		`"ldaps://svc:hunter2@h" names no host`:               `"ldaps://[redacted]@h" names no host`,
		`"ldaps://svc:hun ter2@h@h2": x`:                      `"ldaps://[redacted]@h2": x`,
		`"ldaps://svc:hun\"ter2@h": x`:                        `"ldaps://[redacted]@h": x`,
		`ldaps://svc:hun/ter2@h is odd`:                       `ldaps://[redacted]@h is odd`,
		`a http://u:p@h b http://u:p@h`:                       `a http://[redacted]@h b http://[redacted]@h`,
		`open /etc/gatehouse/http:/u:hunter2@h: no such file`: `open /etc/gatehouse/http:/[redacted]@h: no such file`,
		`"//svc:hunter2@h" is odd`:                            `"//[redacted]@h" is odd`,
		`"http;//svc:hunter2@h" is odd`:                       `"http;//[redacted]@h" is odd`,
		`"http//svc:hunter2@h" is odd`:                        `"http//[redacted]@h" is odd`,
		`"unix:/svc:hunter2@h" is odd`:                        `"unix:/[redacted]@h" is odd`,
		`open //svc:hunter2@h: x`:                             `open //[redacted]@h: x`,
		`"user corp:alice@corp.example"`:                      `"user corp:alice@corp.example"`,
		`config.toml:13:1: "group a/b@c"`:                     `config.toml:13:1: "group a/b@c"`,
		`ldaps://dc1.example:636: user alice@corp.example`:    `ldaps://dc1.example:636: user alice@corp.example`,
		`"ldaps://dc1" and "alice@corp.example"`:              `"ldaps://dc1" and "alice@corp.example"`,
		`alice@corp.example asks ldaps://dc1`:                 `alice@corp.example asks ldaps://dc1`,
		`dial tcp: lookup x: no such host, at all: a @ here`:  `dial tcp: lookup x: no such host, at all: a @ here`,
	} {
		if got := WithoutUserinfo(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestInvisibleCharactersAreEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                "plain",
		"grüße, 日本":            "grüße, 日本",
		"a\x1b[31mb":           `a\u001b[31mb`,
		"a\nb\tc":              `a\u000ab\u0009c`,
		"\u009b31m":            `\u009b31m`,
		"\x9b31m":              `\x9b31m`,
		"\u202egnp.exe":        `\u202egnp.exe`,
		"a\u200bb\u2066\ufeff": `a\u200bb\u2066\ufeff`,
		"a\u00a0b\u3164\ufe0f": `a\u00a0b\u3164\ufe0f`,
		"\U000e0041":           `\udb40\udc41`,
		"\u2028\u2029\x7f":     `\u2028\u2029\u007f`,
		"\ufffd":               "\ufffd",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWriterKeepsLinesAndColumns(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, text := range []string{"a\tb\n", "ü\u202e\n", "\x9b\r\n"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: wrote %d, %v", text, n, err)
		}
	}
	if got, want := b.String(), "a\tb\nü\\u202e\n\\x9b\\u000d\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzNothingInvisibleIsShown has every form of a text show visible characters alone,
// and the JSON among them say the same as the text.
func FuzzNothingInvisibleIsShown(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\b\f\n\r\t\v\x00\x1f", "\u0085\u009b\u202e\u2066\u200b\ufeff\u00ad", "\xff\xc3\x28\xed\xa0\x80", "\U000e0041\U0001f600", "\u2028\u3164\ufe0f\ufffd\ufffe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var written bytes.Buffer
		NewWriter(&written).Write([]byte(s))
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string]string{"Text": Text(s), "AppendJSON": string(AppendJSON(nil, s)), "JSON": string(JSON(encoded)), "Writer": written.String()}
		for name, form := range forms {
			for _, r := range form {
				layout := name == "Writer" && (r == '\n' || r == '\t')
				if !layout && (Invisible(r) || unicode.IsControl(r)) {
					t.Errorf("%s(%q) has %U in it", name, s, r)
				}
			}
			if !utf8.ValidString(form) {
				t.Errorf("%s(%q) is not UTF-8", name, s)
			}
		}
		for _, name := range []string{"AppendJSON", "JSON"} {
			var back string
			if err := json.Unmarshal([]byte(forms[name]), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
				t.Errorf("%s(%q) = %s, which means %q, %v", name, s, forms[name], back, err)
			}
		}
	})
}
