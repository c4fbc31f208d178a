package strict

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	errQueryByte     Error = "request target: character that does not belong in a query; percent-encode it"
	errQueryText     Error = "request target: query with control characters or invalid UTF-8; send UTF-8, without them"
	errQueryCount    Error = "request target: more than 1000 query parameters; send fewer"
	errQuerySecurity Error = "request target: query parameter mount or from given twice or in another spelling; give each once, spelled so"
)

// maxParams bounds the work that one query can cause.
const maxParams = 1000

// param is one query parameter. The text is its canonical spelling, in which it
// goes upstream: "a" and "a=" are not the same text.
type param struct {
	name, value string
	text        string
}

// queryBytes may stand in a query as they are; escapableBytes are accepted since
// browsers and curl send them, and go upstream encoded. Neither has the semicolon:
// some servers take it for a separator, others for a part of the value.
var (
	queryBytes      = newByteSet(unreserved + subDelims + ":@/?")
	escapableBytes  = newByteSet("\"<>[]^`{|}")
	unreservedBytes = newByteSet(unreserved)
)

// normalizeQuery returns the query with the same meaning and in canonical form.
// Unlike in a path, an encoded delimiter stays encoded: "%2B" is a plus sign and
// "+" is a space.
func normalizeQuery(raw string) (string, error) {
	if queryBytes.containsAll(raw) {
		return raw, nil
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case queryBytes[c]:
			b.WriteByte(c)
		case escapableBytes[c]:
			WriteEscaped(&b, c)
		case c == '%':
			decoded, ok := unescape(raw[i:])
			if !ok {
				return "", errTargetEscape
			}
			i += 2
			if unreservedBytes[decoded] {
				b.WriteByte(decoded)
			} else {
				WriteEscaped(&b, decoded)
			}
		default:
			return "", errQueryByte
		}
	}
	return b.String(), nil
}

// parseParams takes a normalised query apart.
func parseParams(query string) ([]param, error) {
	if query == "" {
		return nil, nil
	}
	n := strings.Count(query, "&") + 1
	if n > maxParams {
		return nil, errQueryCount
	}
	params := make([]param, 0, n)
	for text := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(text, "=")
		p := param{decodeParam(name), decodeParam(value), text}
		if !isQueryText(p.name) || !isQueryText(p.value) {
			return nil, errQueryText
		}
		params = append(params, p)
	}
	return params, checkSecurityParams(params)
}

// checkSecurityParams refuses what two readers could take for different values of
// the parameters that name a second repository: whether the first or the last of
// two counts, and whether case does, is up to the upstream.
func checkSecurityParams(params []param) error {
	seen := map[string]bool{}
	for _, p := range params {
		name := strings.ToLower(p.name)
		if name != "mount" && name != "from" {
			continue
		}
		if name != p.name || seen[name] {
			return errQuerySecurity
		}
		seen[name] = true
	}
	return nil
}

func isQueryText(s string) bool {
	return utf8.ValidString(s) && !HasControl(s)
}

// decodeParam decodes a normalised name or value as HTML forms are
// (application/x-www-form-urlencoded), which is how registries read it.
func decodeParam(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			b.WriteByte(' ')
		case '%':
			c, _ = unescape(s[i:])
			i += 2
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// HasQuery reports whether t has a parameter.
func (t Target) HasQuery() bool { return len(t.params) > 0 }

// ParamNames returns the decoded names of the parameters, in the order of the query and
// as often as they stand in it.
func (t Target) ParamNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range t.params {
			if !yield(t.params[i].name) {
				return
			}
		}
	}
}

// Query returns the decoded value of the first parameter of that name.
func (t Target) Query(name string) (value string, ok bool) {
	for _, p := range t.params {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// QueryValues returns the decoded values of all parameters of that name, in their order.
func (t Target) QueryValues(name string) []string {
	var values []string
	for _, p := range t.params {
		if p.name == name {
			values = append(values, p.value)
		}
	}
	return values
}

// SortedQuery returns the parameters but those of the name except, in an order of their
// own: it is the same of two targets that have the same parameters in whatever order.
func (t Target) SortedQuery(except string) string {
	var list []string
	for _, p := range t.params {
		if p.name != except {
			list = append(list, strconv.Quote(p.name)+"="+strconv.Quote(p.value))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "&")
}

// CountQuery returns how many parameters have that name.
func (t Target) CountQuery(name string) (n int) {
	for _, p := range t.params {
		if p.name == name {
			n++
		}
	}
	return n
}

// WithoutQuery returns the target without the parameters of these names.
func (t Target) WithoutQuery(names ...string) Target {
	var kept []param
	text, separator := t.text, byte('?')
	text, _, _ = strings.Cut(text, "?")
	var b strings.Builder
	b.WriteString(text)
	for _, p := range t.params {
		if slices.Contains(names, p.name) {
			continue
		}
		kept = append(kept, p)
		b.WriteByte(separator)
		b.WriteString(p.text)
		separator = '&'
	}
	t.params, t.text = kept, b.String()
	return t
}
