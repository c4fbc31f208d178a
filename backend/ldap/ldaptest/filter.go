package ldaptest

import (
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

// matches evaluates a filter of RFC 4511 for an entry. What is undefined, such
// as an unknown rule, does not match.
func (t tree) matches(f *ber.Packet, e *Entry) bool {
	switch f.Tag {
	case filterAnd:
		for _, sub := range f.Children {
			if !t.matches(sub, e) {
				return false
			}
		}
		return true
	case filterOr:
		for _, sub := range f.Children {
			if t.matches(sub, e) {
				return true
			}
		}
		return false
	case filterNot:
		return len(f.Children) == 1 && !t.matches(f.Children[0], e)
	case filterPresent:
		return len(t.values(e, f.Data.String())) > 0
	case filterSubstrings:
		return t.matchesSubstrings(f, e)
	case filterExtensible:
		return t.matchesExtensible(f, e)
	case filterEqual, filterGreater, filterLess, filterApprox:
		return t.matchesValue(f, e)
	}
	return false
}

// values returns the values of an attribute, stored or computed.
func (t tree) values(e *Entry, attribute string) []string {
	switch strings.ToLower(attribute) {
	case "entrydn", "distinguishedname":
		return []string{e.DN}
	}
	return e.values(attribute)
}

func (t tree) matchesValue(f *ber.Packet, e *Entry) bool {
	if len(f.Children) != 2 {
		return false
	}
	attribute, want := f.Children[0].Data.String(), f.Children[1].Data.String()
	fold := folding(attribute)
	for _, v := range t.values(e, attribute) {
		switch f.Tag {
		case filterGreater:
			if order(v, want) >= 0 {
				return true
			}
		case filterLess:
			if order(v, want) <= 0 {
				return true
			}
		default:
			if fold(v) == fold(want) {
				return true
			}
		}
	}
	return false
}

func order(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(foldValue(a), foldValue(b))
}

// folding returns what equal values of an attribute have in common, by the
// syntax that its schema gives it.
func folding(attribute string) func(string) string {
	switch strings.ToLower(attribute) {
	case "member", "uniquemember", "memberof", "manager", "owner", "entrydn", "distinguishedname":
		return foldDN
	case "memberuid", "objectsid", "tokengroups", "homedirectory":
		return func(v string) string { return v }
	}
	return foldValue
}

func (t tree) matchesSubstrings(f *ber.Packet, e *Entry) bool {
	if len(f.Children) != 2 {
		return false
	}
	for _, v := range t.values(e, f.Children[0].Data.String()) {
		if matchesParts(foldValue(v), f.Children[1].Children) {
			return true
		}
	}
	return false
}

func matchesParts(value string, parts []*ber.Packet) bool {
	for _, p := range parts {
		part := strings.ToLower(p.Data.String())
		switch p.Tag {
		case 0: // initial
			rest, ok := strings.CutPrefix(value, part)
			if !ok {
				return false
			}
			value = rest
		case 1: // any
			_, rest, ok := strings.Cut(value, part)
			if !ok {
				return false
			}
			value = rest
		default: // final
			if !strings.HasSuffix(value, part) {
				return false
			}
		}
	}
	return true
}

func (t tree) matchesExtensible(f *ber.Packet, e *Entry) bool {
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
	case matchInChain:
		for _, g := range t.groupsOf(want, true) {
			if g.DN == e.DN {
				return strings.EqualFold(attribute, "member")
			}
		}
		return false
	case matchBitAnd, matchBitOr:
		mask, _ := strconv.ParseInt(want, 10, 64)
		for _, v := range t.values(e, attribute) {
			n, err := strconv.ParseInt(v, 10, 64)
			if err == nil && (rule == matchBitAnd && n&mask == mask || rule == matchBitOr && n&mask != 0) {
				return true
			}
		}
		return false
	}
	fold := folding(attribute)
	for _, v := range t.values(e, attribute) {
		if rule == "" && fold(v) == fold(want) {
			return true
		}
	}
	return false
}
