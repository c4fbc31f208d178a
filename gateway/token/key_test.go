package token

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseKeys(t *testing.T) {
	a, b := NewKey(time.Now()), NewKey(time.Now())
	keys, err := ParseKeys("# old\n\n" + a.Line() + "\r\n" + b.Line())
	if err != nil || len(keys) != 2 || keys[0] != a || keys[1] != b {
		t.Errorf("got %v, %v", keys, err)
	}
	if made, ok := a.Made(); !ok || time.Since(made) > 48*time.Hour {
		t.Errorf("%v: made %v", a, made)
	}
	secret := base64.StdEncoding.EncodeToString(make([]byte, 32))
	var many strings.Builder
	for range maxKeys + 1 {
		many.WriteString(NewKey(time.Now()).Line() + "\n")
	}
	for text, want := range map[string]string{
		"":                                "there is no key",
		"hunter2":                         "line 1: there is no colon",
		"a:hunter2":                       "line 1: what follows the colon",
		"a:" + secret[:42] + "==":         "line 1: what follows the colon",
		"a b:" + secret:                   "line 1: the name before the colon",
		":" + secret:                      "line 1: the name before the colon",
		a.Line() + "\n" + a.Line():        "line 2: the key has the name of that in line 1",
		strings.Repeat("x", 33) + secret:  "there is no colon",
		strings.Repeat("x", 100_000):      "too long",
		strings.Repeat("k:"+secret, 1000): "line 1: what follows the colon",
		"a:" + secret[:42] + "B=":         "line 1: what follows the colon", // bits that mean nothing
		many.String():                     "more than 32 keys",
	} {
		if _, err := ParseKeys(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.60q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestKeysShowNoSecret(t *testing.T) {
	k := NewKey(time.Now())
	_, secret, _ := strings.Cut(k.Line(), ":")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{k, &k, []Key{k}, map[string]Key{"a": k}, struct{ K Key }{k}} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprint(k.secret[:])) || !strings.Contains(text, k.id) && !strings.Contains(text, "0x") {
				t.Errorf("%s of %T: %s", format, v, text)
			}
		}
	}
}
