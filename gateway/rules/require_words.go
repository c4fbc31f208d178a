package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/gateway/strict"
)

// word is a part of a requirement between blanks.
type word struct {
	text   string
	quoted bool
}

// splitWords takes text apart at blanks outside of double quotes.
func splitWords(text string) ([]word, error) {
	if !utf8.ValidString(text) || strict.HasControl(text) {
		return nil, errors.New("it contains control characters or is not valid UTF-8")
	}
	var words []word
	for rest := strings.TrimLeft(text, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var w word
		var err error
		if w, rest, err = nextWord(rest); err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	return words, nil
}

func nextWord(text string) (w word, rest string, err error) {
	if text[0] == '"' {
		return quotedWord(text)
	}
	end := strings.IndexByte(text, ' ')
	if end < 0 {
		end = len(text)
	}
	if strings.Contains(text[:end], `"`) {
		return word{}, "", errors.New("a double quote stands inside a name: put the whole name in double quotes")
	}
	return word{text: text[:end]}, text[end:], nil
}

// quotedWord leaves every backslash alone that does not precede a quote or
// another one, so that distinguished names need not be escaped twice.
func quotedWord(text string) (w word, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if rest = text[i+1:]; rest != "" && rest[0] != ' ' {
				return word{}, "", errors.New("a blank must follow the closing double quote")
			}
			return word{text: b.String(), quoted: true}, rest, nil
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return word{}, "", errors.New("the closing double quote is missing")
}

const knownItems = "valid-user, user NAME…, group NAME…, backend NAME…, via password|token|identity, ip ADDRESS…, all granted, all denied, not …, or a table { any = […] }, { all = […] }, { none = […] }"

// advice says what to write in place of words that people try, most of which
// are Apache's.
var advice = map[string]string{
	"require":     `leave the word "Require" out`,
	"valid_user":  "write valid-user",
	"validuser":   "write valid-user",
	"users":       "write user NAME…",
	"groups":      "write group NAME…",
	"backends":    "write backend NAME…",
	"granted":     "write all granted",
	"denied":      "write all denied",
	"any":         "write a table, { any = […] }",
	"none":        "write a table, { none = […] }",
	"method":      "name methods in the rule's own key, methods = […]",
	"dbm-group":   "write group NAME…",
	"file-owner":  "not offered; write user NAME…",
	"file-group":  "not offered; write group NAME…",
	"host":        "not offered, as a client's name is its own claim; write ip ADDRESS…",
	"forward-dns": "not offered, as the answer of a name server would decide; write ip ADDRESS…",
	"local":       "write ip 127.0.0.0/8 ::1",
	"env":         "not offered, as clients set what such variables are made of; combine user, group and ip",
	"expr":        "not offered; combine user, group and ip with { any = […] } and { all = […] }",
}

func unknownItem(key string) error {
	hint := advice[strings.ToLower(key)]
	switch lower := strings.ToLower(key); {
	case hint != "":
	case lower != key && slices.Contains([]string{"valid-user", "user", "group", "backend", "via", "ip", "all", "not"}, lower):
		hint = "write " + lower + ", in lower case"
	default:
		hint = "want " + knownItems
	}
	return fmt.Errorf("%q is not known: %s", key, hint)
}
