package ldap

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"

	"gatehouse/backend"
)

// dn is a distinguished name in one spelling that all equal names share, part
// by part: RFC 4517, section 4.2.15, with values compared as most attributes
// in names are, without regard to case and to repeated blanks.
type dn []string

// errNoDN is the error for what does not parse.
var errNoDN = errors.New("not a distinguished name")

func parseDN(text string) (dn, error) {
	if name, ok := plainDN(text); ok {
		return strings.Split(name, ","), nil
	}
	return parseAnyDN(text)
}

// plainDN returns the one spelling of a name that differs from it by case at most, as
// nearly all do. It takes a tenth of the time of parseAnyDN, which has the last word on
// all others.
func plainDN(text string) (name string, ok bool) {
	if !isPrintableASCII(text) {
		return "", false
	}
	name = strings.ToLower(text)
	for rdn := range strings.SplitSeq(name, ",") {
		attribute, value, _ := strings.Cut(rdn, "=")
		if !isPlainAttribute(attribute) || !isPlainValue(value) {
			return "", false
		}
	}
	return name, true
}

// isPlainAttribute reports whether an attribute in lower case is called by its usual
// short name.
func isPlainAttribute(name string) bool {
	for i := range len(name) {
		letter := 'a' <= name[i] && name[i] <= 'z'
		if !letter && (i == 0 || name[i] != '-' && (name[i] < '0' || name[i] > '9')) {
			return false
		}
	}
	return name != "" && attributeName(name) == name
}

// isPlainValue reports whether a value in lower case has nothing in it that is escaped
// or that a name can do without.
func isPlainValue(value string) bool {
	for i := range len(value) {
		switch c := value[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case c == ' ' && i > 0 && i < len(value)-1 && value[i-1] != ' ':
		default:
			return false
		}
	}
	return value != ""
}

// parseAnyDN is parseDN for names of all kinds.
func parseAnyDN(text string) (dn, error) {
	parsed, err := ldap.ParseDN(text)
	if err != nil || len(parsed.RDNs) == 0 || !utf8.ValidString(text) {
		return nil, errNoDN
	}
	name := make(dn, len(parsed.RDNs))
	for i, rdn := range parsed.RDNs {
		parts := make([]string, len(rdn.Attributes))
		for j, a := range rdn.Attributes {
			if !attributePattern.MatchString(a.Type) || !utf8.ValidString(a.Value) {
				return nil, errNoDN
			}
			parts[j] = attributeName(a.Type) + "=" + ldap.EscapeDN(fold(a.Value))
		}
		slices.Sort(parts)
		name[i] = strings.Join(parts, "+")
	}
	return name, nil
}

// canonicalDN returns the one spelling of a name, and a name that does not
// parse as it is: Active Directory has some, such as <SID=…>.
func canonicalDN(text string) string {
	if name, ok := plainDN(text); ok {
		return name
	}
	name, err := parseAnyDN(text)
	if err != nil {
		return text
	}
	return name.String()
}

// String returns the name as RFC 4514 writes it.
func (d dn) String() string { return strings.Join(d, ",") }

// isBelow reports whether d is base or an entry somewhere under it. It compares
// part by part: as text, cn=a\,dc=b would end in ,dc=b.
func (d dn) isBelow(base dn) bool {
	return len(d) >= len(base) && slices.Equal(d[len(d)-len(base):], base)
}

// attributeName returns the usual short name of a type that is written as a
// number; RFC 4519.
func attributeName(t string) string {
	switch strings.TrimPrefix(strings.ToLower(t), "oid.") {
	case "2.5.4.3", "commonname":
		return "cn"
	case "2.5.4.6", "countryname":
		return "c"
	case "2.5.4.7", "localityname":
		return "l"
	case "2.5.4.10", "organizationname":
		return "o"
	case "2.5.4.11", "organizationalunitname":
		return "ou"
	case "0.9.2342.19200300.100.1.1", "userid":
		return "uid"
	case "0.9.2342.19200300.100.1.25", "domaincomponent":
		return "dc"
	case "1.3.6.1.1.1.1.12": // RFC 2307
		return "memberuid"
	}
	return strings.ToLower(t)
}

// looksLikeDN reports whether the name of a group is meant to be a DN, or would pass
// for one with whoever only looks at how it begins.
func looksLikeDN(name string) bool {
	if !strings.Contains(name, "=") {
		return false
	}
	_, err := parseDN(name)
	return err == nil || backend.ReadsAsDN(name)
}

// fold returns what all spellings of a value have in common that differ by
// case, by blanks, or by how Unicode composes letters. A value that is not plain
// stands for itself: directories do not agree which others it equals, and who may
// make a group must not be able to make one that passes for another.
func fold(s string) string {
	switch {
	case !isPlain(s):
		return s
	case isPrintableASCII(s) && !strings.Contains(s, "  ") && strings.Trim(s, " ") == s:
		return strings.ToLower(s)
	}
	return strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(s), " ")))
}
