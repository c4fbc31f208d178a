package strict

import (
	"strings"
)

// Error says what is malformed in something that a client sent. It never
// repeats the input, so that it may be logged and sent back.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

const (
	errTargetForm     Error = "request target: neither a path nor an http or https address with a path"
	errTargetEscape   Error = "request target: malformed percent-encoding"
	errPathByte       Error = "request target: character that does not belong in a path"
	errPathEscape     Error = "request target: percent-encoding of a character that must not be hidden in a path"
	errPathText       Error = "request target: path is not in canonical Unicode form"
	errPathDots       Error = "request target: dot segment in path"
	errPathEmptyParts Error = "request target: empty segment in path"
)

// Target is a request target with exactly one reading. Rules judge Path, and the
// upstream gets String, which says the same and nothing else. It is made by
// [ParseTarget] alone.
type Target struct {
	// Path is the decoded path. It begins with a slash and has no dot segments,
	// no empty segments but perhaps the last, and no control characters.
	Path string

	// Host is the authority of an absolute-form target as the client spelled
	// it; empty for origin-form.
	Host string

	params []param
	text   string
}

// String returns the target in origin-form (RFC 9112, section 3.2.1), normalised
// as RFC 3986, section 6.2.2 has it.
func (t Target) String() string { return t.text }

// ParseTarget reads a request target as it stood on the wire, in origin-form or
// in absolute-form for http and https. What could be read in two ways is refused,
// not cleaned: the gateway and the upstream would otherwise judge different paths.
// The error says which rule was broken, without repeating the input.
func ParseTarget(raw string) (Target, error) {
	host, origin, err := splitAuthority(raw)
	if err != nil {
		return Target{}, err
	}
	rawPath, rawQuery, _ := strings.Cut(origin, "?")
	escaped, path, err := ParsePath(rawPath)
	if err != nil {
		return Target{}, err
	}
	query, err := normalizeQuery(rawQuery)
	if err != nil {
		return Target{}, err
	}
	params, err := parseParams(query)
	if err != nil {
		return Target{}, err
	}
	t := Target{Path: path, Host: host, params: params}
	switch {
	case query == "":
		t.text = escaped
	case escaped == rawPath && query == rawQuery:
		t.text = origin
	default:
		t.text = escaped + "?" + query
	}
	return t, nil
}

// splitAuthority takes scheme and authority off an absolute-form target. A target
// without a path is refused: an empty path must not come to match everything.
func splitAuthority(raw string) (host, origin string, err error) {
	if strings.HasPrefix(raw, "/") {
		return "", raw, nil
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return "", "", errTargetForm
	}
	// ToLower, since EqualFold would take the long s in "httpſ" for an s.
	switch strings.ToLower(scheme) {
	case "http", "https":
	default:
		return "", "", errTargetForm
	}
	host, origin = rest[:slash], rest[slash:]
	if _, err := ParseHost(host); err != nil {
		return "", "", err
	}
	return host, origin, nil
}

// ParsePath reads a path as it stood in a target, without a query. It returns the path
// in canonical escaped form and decoded, or why it could be read in two ways.
func ParsePath(raw string) (escaped, decoded string, err error) {
	escaped, decoded = raw, raw
	if !pathBytes.containsAll(raw) {
		if escaped, decoded, err = decodePath(raw); err != nil {
			return "", "", err
		}
	}
	if !isASCII(decoded) && !HasOneReading(decoded) {
		return "", "", errPathText
	}
	return escaped, decoded, checkSegments(decoded)
}

func decodePath(raw string) (escaped, decoded string, err error) {
	var esc, dec strings.Builder
	esc.Grow(len(raw))
	dec.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '%' {
			if !pathBytes[c] {
				return "", "", errPathByte
			}
			esc.WriteByte(c)
			dec.WriteByte(c)
			continue
		}
		c, ok := unescape(raw[i:])
		if !ok {
			return "", "", errTargetEscape
		}
		if hiddenBytes[c] {
			return "", "", errPathEscape
		}
		i += 2
		dec.WriteByte(c)
		if pathBytes[c] {
			esc.WriteByte(c)
		} else {
			WriteEscaped(&esc, c)
		}
	}
	return esc.String(), dec.String(), nil
}

func checkSegments(path string) error {
	segment, rest, more := "", path[1:], true
	for more {
		segment, rest, more = strings.Cut(rest, "/")
		switch {
		case segment == "." || segment == "..":
			return errPathDots
		case segment == "" && more:
			return errPathEmptyParts
		}
	}
	return nil
}

const (
	unreserved = alphanumeric + "-._~"

	// subDelims are those of RFC 3986 but for the semicolon, which starts
	// parameters for some servers: "..;" is a parent directory for them.
	subDelims = "!$&'()*+,="
)

// pathBytes may stand in a path as they are.
var pathBytes = newByteSet(unreserved + subDelims + ":@/")

// hiddenBytes are never taken percent-encoded in a path: one decoding more or
// less, here or upstream, would change the segments, or where the path ends.
var hiddenBytes = newByteSet(controls() + `/\.%?#&;`)

// unescape decodes the percent-encoded byte at the start of s.
func unescape(s string) (c byte, ok bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := unhex(s[1])
	low, ok2 := unhex(s[2])
	return high<<4 | low, ok1 && ok2
}

func unhex(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// WriteEscaped appends c in percent-encoding, with upper-case digits (RFC 3986, section
// 2.1).
func WriteEscaped(b *strings.Builder, c byte) {
	const hex = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

// EscapePath returns a canonical path as it stands in a request line.
func EscapePath(decoded string) string {
	var b strings.Builder
	for i := range len(decoded) {
		if c := decoded[i]; pathBytes[c] {
			b.WriteByte(c)
		} else {
			WriteEscaped(&b, c)
		}
	}
	return b.String()
}

// CanonicalPath reports whether path is absolute and has neither empty nor dot
// segments, except for a slash at its end. Requests for other paths are refused
// long before any rule sees them; rules check again, since a path with two
// readings is what nearly every bypass of a path rule was made of.
func CanonicalPath(path string) bool {
	return strings.HasPrefix(path, "/") && checkSegments(path) == nil
}
