package ldaptest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// The kinds of filters by their tags; RFC 4511, section 4.5.1.7.
const (
	filterAnd ber.Tag = iota
	filterOr
	filterNot
	filterEqual
	filterSubstrings
	filterGreater
	filterLess
	filterPresent
	filterApprox
	filterExtensible
)

const (
	matchInChain = "1.2.840.113556.1.4.1941"
	matchBitAnd  = "1.2.840.113556.1.4.803"
	matchBitOr   = "1.2.840.113556.1.4.804"
)

// compile returns what tells whether a filter of RFC 4511 matches an entry. What
// is undefined, such as an unknown rule, does not match.
func (t tree) compile(f *ber.Packet) func(*Entry) bool {
	switch f.Tag {
	case filterAnd, filterOr, filterNot:
		return t.compileSet(f)
	case filterPresent:
		attribute := f.Data.String()
		return func(e *Entry) bool { return len(e.fold(attribute)) > 0 }
	case filterSubstrings:
		return compileSubstrings(f)
	case filterExtensible:
		return t.compileExtensible(f)
	case filterEqual, filterApprox:
		return compileValue(f, func(v, want string) bool { return v == want })
	case filterGreater:
		return compileValue(f, func(v, want string) bool { return order(v, want) >= 0 })
	case filterLess:
		return compileValue(f, func(v, want string) bool { return order(v, want) <= 0 })
	}
	return never
}

func never(*Entry) bool { return false }

func (t tree) compileSet(f *ber.Packet) func(*Entry) bool {
	var parts []func(*Entry) bool
	for _, child := range f.Children {
		parts = append(parts, t.compile(child))
	}
	matches := func(e *Entry) func(func(*Entry) bool) bool {
		return func(part func(*Entry) bool) bool { return part(e) }
	}
	switch {
	case f.Tag == filterOr:
		return func(e *Entry) bool { return slices.ContainsFunc(parts, matches(e)) }
	case f.Tag == filterAnd:
		return func(e *Entry) bool {
			return !slices.ContainsFunc(parts, func(part func(*Entry) bool) bool { return !part(e) })
		}
	case len(parts) == 1:
		return func(e *Entry) bool { return !parts[0](e) }
	}
	return never
}

func compileValue(f *ber.Packet, holds func(value, want string) bool) func(*Entry) bool {
	if len(f.Children) != 2 {
		return never
	}
	attribute := f.Children[0].Data.String()
	want := folding(attribute)(f.Children[1].Data.String())
	return func(e *Entry) bool {
		return slices.ContainsFunc(e.fold(attribute), func(v string) bool { return holds(v, want) })
	}
}

func order(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

// folding returns what equal values of an attribute have in common, by the
// syntax that its schema gives it.
func folding(attribute string) func(string) string {
	switch strings.ToLower(attribute) {
	case "member", "uniquemember", "memberof", "manager", "owner", "entrydn", "distinguishedname":
		return foldDN
	case "memberuid", "objectsid", "objectguid", "tokengroups", "homedirectory":
		return func(v string) string { return v }
	}
	return foldValue
}

func compileSubstrings(f *ber.Packet) func(*Entry) bool {
	if len(f.Children) != 2 {
		return never
	}
	attribute, parts := f.Children[0].Data.String(), f.Children[1].Children
	return func(e *Entry) bool {
		return slices.ContainsFunc(e.fold(attribute), func(v string) bool { return matchesParts(v, parts) })
	}
}

func matchesParts(value string, parts []*ber.Packet) bool {
	for _, p := range parts {
		part := strings.ToLower(p.Data.String())
		ok := false
		switch p.Tag {
		case 0: // initial
			value, ok = strings.CutPrefix(value, part)
		case 1: // any
			_, value, ok = strings.Cut(value, part)
		default: // final
			ok = strings.HasSuffix(value, part)
		}
		if !ok {
			return false
		}
	}
	return true
}

func (t tree) compileExtensible(f *ber.Packet) func(*Entry) bool {
	var rule, attribute, want string
	for _, c := range f.Children {
		switch c.Tag {
		case 1:
			rule = c.Data.String()
		case 2:
			attribute = c.Data.String()
		case 3:
			want = c.Data.String()
		}
	}
	switch rule {
	case "":
		want = folding(attribute)(want)
		return func(e *Entry) bool { return slices.Contains(e.fold(attribute), want) }
	case matchInChain:
		groups := t.groupsOf(want, true)
		return func(e *Entry) bool {
			return strings.EqualFold(attribute, "member") && slices.ContainsFunc(groups, func(g *Entry) bool { return g.key == e.key })
		}
	case matchBitAnd, matchBitOr:
		mask, err := strconv.ParseInt(want, 10, 64)
		if err != nil {
			return never
		}
		return func(e *Entry) bool {
			return slices.ContainsFunc(e.fold(attribute), func(v string) bool {
				n, err := strconv.ParseInt(v, 10, 64)
				return err == nil && (rule == matchBitAnd && n&mask == mask || rule == matchBitOr && n&mask != 0)
			})
		}
	}
	return never
}
