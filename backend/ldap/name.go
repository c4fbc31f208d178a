package ldap

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// nameMax is the length of the longest name: no directory has longer ones.
const nameMax = 256

// login is a name that somebody logs in with.
type login struct {
	user    string // as typed
	account string // without a known domain beside it

	bySuffix bool // what is left out of account is a suffix of principal names
}

// parseLogin takes a typed name apart, and reports whether it can be one at
// all. It is strict because directories are not: OpenLDAP finds alice for
// "  ａlice\u200b", and each such spelling would be a user of its own to a cache
// or a lock-out counter (RFC 8265, section 3.3.2, refuses them likewise).
func parseLogin(typed string, domains []string) (login, bool) {
	if !validName(typed) {
		return login{}, false
	}
	user := norm.NFC.String(typed)
	l := login{user: user, account: user}
	if len(domains) == 0 {
		return l, true
	}
	if domain, account, ok := strings.Cut(user, `\`); ok {
		if !known(domain, domains) || account == "" || strings.ContainsAny(account, `\@`) {
			return login{}, false
		}
		return login{user: account, account: account}, true
	}
	if at := strings.LastIndexByte(user, '@'); at > 0 && known(user[at+1:], domains) {
		l.account = user[:at]
	}
	return l, true
}

func known(domain string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

func validName(name string) bool {
	switch {
	case name == "" || len(name) > nameMax:
		return false
	case strings.ContainsFunc(name, unicode.IsSpace) && strings.Join(strings.Fields(name), " ") != name:
		return false // blanks at an end, several in a row, or other than a space
	case !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
		return false // "-" and "*" stand for nobody and anybody in logs and rules
	}
	return isPlain(name)
}

// isPlain reports whether s has no characters that nobody sees, and none that
// stand for others.
func isPlain(s string) bool {
	if isPrintableASCII(s) {
		return true
	}
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) && r != ' '
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
		return false
	}
	// Compatibility forms (full-width letters, ligatures) and code points that
	// stand for another one (the Kelvin sign) are in neither normal form.
	composed, decomposed := norm.NFC.String(s), norm.NFD.String(s)
	return norm.NFKC.String(s) == composed && (s == composed || s == decomposed)
}

// isPrintableASCII reports what is so of most names, and quick to find out.
func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// CanonicalUser returns name in lower case and without a domain that is known.
func (b *Backend) CanonicalUser(name string) string {
	names, _ := b.domains.all()
	l, ok := parseLogin(name, names)
	if !ok {
		return fold(name)
	}
	return fold(l.account)
}

// CheckGroup fails for what a rule calls a group and no group can be called: it reads as
// a distinguished name, and is none, or that of an entry at the top of the directory,
// where no group is.
func (b *Backend) CheckGroup(name string) error {
	d, err := parseDN(name)
	switch {
	case b.config.GroupMode == groupsNone:
		return nil
	case err != nil && !looksLikeDN(name), err == nil && (len(d) != 1 || b.isPlaceOfGroups(d)):
		return nil
	}
	return fmt.Errorf("%s reads as a DN, and no group below group_bases has it; for a group whose name has a \"=\" in it write its whole DN, such as cn=%s,%s",
		name, strings.ReplaceAll(ldap.EscapeDN(name), "=", `\=`), b.config.GroupBases[0])
}

// CanonicalGroup returns the one spelling of a distinguished name, and any
// other name in lower case.
func (b *Backend) CanonicalGroup(name string) string {
	if d, err := parseDN(name); err == nil {
		return d.String()
	}
	return fold(name)
}
