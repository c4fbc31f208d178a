package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// userFilter is a filter with {user} or {account} in it.
type userFilter struct {
	text   string
	anyone string // what it says of users whatever their names
	tests  []equality
	loose  bool // a name is compared in another way than for equality too
}

// equality is a part of a filter: an attribute, and a value with {user} or
// {account} in it.
type equality struct{ attribute, value string }

func parseUserFilter(text string) (userFilter, error) {
	compiled, err := ldap.CompileFilter(text)
	if err != nil {
		return userFilter{}, fmt.Errorf("%q is no LDAP filter (%w): want something like \"(uid={user})\"", text, err)
	}
	f := userFilter{text: text, anyone: forAnyone(compiled, false)}
	f.collect(compiled)
	for _, t := range f.tests {
		if !attributePattern.MatchString(t.attribute) {
			return userFilter{}, fmt.Errorf("%q: %q is no name of an attribute", text, t.attribute)
		}
	}
	if len(f.tests) == 0 && !f.loose {
		return userFilter{}, fmt.Errorf("%q does not ask for a name: want {user} in it, as in \"(uid={user})\"", text)
	}
	return f, nil
}

func (f *userFilter) collect(p *ber.Packet) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr:
		for _, child := range p.Children {
			f.collect(child)
		}
	case ldap.FilterEqualityMatch:
		if len(p.Children) == 2 && hasPlaceholder(p.Children[1].Data.String()) {
			f.tests = append(f.tests, equality{p.Children[0].Data.String(), p.Children[1].Data.String()})
		}
	default:
		f.loose = f.loose || hasPlaceholder(string(p.Bytes()))
	}
}

// forAnyone returns the filter without what it asks about a name: each such part
// becomes one that is true of every entry, or false below a "not", so that what
// is left matches whoever matched before.
func forAnyone(p *ber.Packet, negated bool) string {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		symbols := map[ber.Tag]string{ldap.FilterAnd: "&", ldap.FilterOr: "|", ldap.FilterNot: "!"}
		text := "(" + symbols[p.Tag]
		for _, child := range p.Children {
			text += forAnyone(child, negated != (p.Tag == ldap.FilterNot))
		}
		return text + ")"
	}
	text, err := ldap.DecompileFilter(p)
	switch {
	case err == nil && !hasPlaceholder(text):
		return text
	case negated:
		return "(!(objectClass=*))"
	}
	return "(objectClass=*)"
}

func hasPlaceholder(s string) bool {
	return strings.Contains(s, "{user}") || strings.Contains(s, "{account}")
}

// filter returns the filter for a name. This is the one place where names are
// escaped for filters; RFC 4515, section 3.
func (f userFilter) filter(l login) string {
	return fill(f.text, ldap.EscapeFilter(l.user), ldap.EscapeFilter(l.account))
}

// fill puts names into a text. What looks like a place for one in a name is not.
func fill(text, user, account string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		switch {
		case strings.HasPrefix(after, "user}"):
			b.WriteString(user)
			text = after[len("user}"):]
		case strings.HasPrefix(after, "account}"):
			b.WriteString(account)
			text = after[len("account}"):]
		default:
			b.WriteByte('{')
			text = after
		}
	}
}

// admits reports whether e has the name that was asked for. A server may match
// more than this package calls equal: letters without their accents, or with
// invisible characters between them.
func (f userFilter) admits(e *ldap.Entry, l login) bool {
	if f.loose {
		return true
	}
	return slices.ContainsFunc(f.tests, func(t equality) bool {
		want := fold(fill(t.value, l.user, l.account))
		return slices.ContainsFunc(values(e, t.attribute), func(v string) bool { return fold(v) == want })
	})
}

// asksForName reports whether the filter for a login asks for the attribute with the
// name, and for this value of it, so that it would have found all who have it.
func (b *Backend) asksForName(ctx context.Context, l login, value string) (bool, error) {
	for _, t := range b.filter.tests {
		if fold(fill(t.value, l.user, l.account)) != value {
			continue
		}
		if same, err := b.sameAttribute(ctx, t.attribute, b.config.UserNameAttr); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// attributes returns what admits needs of an entry.
func (f userFilter) attributes() []string {
	var names []string
	for _, t := range f.tests {
		names = append(names, t.attribute)
	}
	return names
}

// find returns the one entry of a user. Where the user is not bound as the entry
// found but by a template, as bound, it makes sure that both are the same: with
// "{user}@corp.example" as the template it would be a fault to find alice by
// her account where alice@corp.example is the principal name of somebody else.
func (b *Backend) find(ctx context.Context, search searcher, l login, bound string) (*ldap.Entry, error) {
	filter := b.filter.filter(l)
	boundDN, err := parseDN(bound)
	if err != nil && strings.Contains(bound, "@") {
		filter = "(|" + filter + equals("userPrincipalName", bound) + ")"
	}
	found, err := b.findAll(ctx, search, filter, boundDN, b.atLogin)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, b.nobodyFound(ctx)
	case len(found) > 1:
		return nil, errAmbiguous
	case !b.filter.admits(found[0], l) || boundDN != nil && canonicalDN(found[0].DN) != boundDN.String():
		return nil, fault.With("ldap.user.unknown", fmt.Errorf("the entry found has another name: %w", backend.ErrUnknownUser))
	}
	return found[0], nil
}

// findAll returns the entries of users that match a filter, or two of them. Who
// searches with the own rights may often read no more than the own entry.
func (b *Backend) findAll(ctx context.Context, search searcher, filter string, own dn, wanted []string) ([]*ldap.Entry, error) {
	bases, scope := b.config.UserBases, ldap.ScopeWholeSubtree
	switch {
	case own != nil && b.asUser():
		bases, scope = []string{own.String()}, ldap.ScopeBaseObject
	case b.config.UserScope == "one":
		scope = ldap.ScopeSingleLevel
	}
	var found []*ldap.Entry
	for _, base := range bases {
		entries, err := search(ctx, query{
			base: base, scope: scope, filter: filter, limit: b.enoughUsers(),
			attributes: wanted,
		})
		if code, answered := codeOf(err); answered && code == ldap.LDAPResultSizeLimitExceeded {
			return nil, errAmbiguous
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			same := func(o *ldap.Entry) bool { return canonicalDN(o.DN) == canonicalDN(e.DN) }
			if !slices.ContainsFunc(found, same) { // bases may overlap
				found = append(found, e)
			}
		}
	}
	return found, nil
}

// entryAttributes returns what is read of an entry that may be the user's, with what
// else is wanted.
func (b *Backend) entryAttributes(wanted []string) []string {
	names := slices.Concat(b.userAttributes(), b.filter.attributes(), wanted)
	slices.Sort(names)
	return slices.Compact(names)
}

// enforcedAttributes returns what a login reads of the state of an account, where that
// counts after the bind.
func (b *Backend) enforcedAttributes() []string {
	if !b.enforcesStates() {
		return nil
	}
	return stateAttributes()
}

// enoughUsers is how many entries are asked for to know whether there is one alone.
// Where several aliases stand for it, OpenLDAP sends it as often.
func (b *Backend) enoughUsers() int {
	if b.config.followsAliases() {
		return 100
	}
	return 2
}

// errAmbiguous is the refusal of a name that several entries have. It does not
// let a chain go on: there is such a user here.
var errAmbiguous = fault.With("ldap.user.ambiguous",
	backend.Refuse(backend.ErrWrongPassword, "more than one entry has this name; narrow user_filter or user_bases"))

// isOnlyOne fails unless no other user has the name of the one found. Who logs in
// by something else, such as an address, must not pass for somebody of the same
// name elsewhere.
func (b *Backend) isOnlyOne(ctx context.Context, e *ldap.Entry) error {
	name, err := singleName(e, b.config.UserNameAttr)
	if err != nil {
		return err
	}
	found, err := b.findAll(ctx, b.asService, "(&"+b.filter.anyone+equals(b.config.UserNameAttr, name)+")", nil, b.atLogin)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fault.With("ldap.user.unusable", fmt.Errorf("nobody is found by user_name_attr %s; name one that can be searched for", b.config.UserNameAttr))
	case len(found) > 1 || found[0].DN != e.DN:
		return errAmbiguous
	}
	return nil
}

// identity returns who an entry is. One that shows no one name is refused: nobody could
// say whom a rule means by it.
func (b *Backend) identity(e *ldap.Entry) (backend.Identity, error) {
	if strings.TrimSpace(e.DN) == "" {
		return backend.Identity{}, fault.With("ldap.user.unusable", errors.New("the entry found has no name"))
	}
	name, err := singleName(e, b.config.UserNameAttr)
	switch {
	case err != nil && len(values(e, b.config.UserNameAttr)) > 0:
		return backend.Identity{}, fault.With("ldap.user.misnamed", backend.Refuse(backend.ErrWrongPassword, fmt.Sprintf("entry %q: %v", e.DN, err)))
	case err != nil: // there may be one that the account may not read
		return backend.Identity{}, fault.With("ldap.user.unusable", fmt.Errorf("entry %q: %w", e.DN, err))
	}
	return backend.Identity{User: fold(name), Handle: e.DN, Anchor: b.anchorOf(e, ""), Changed: changedOf(e, ""), Expires: b.expiresOf(e, "", time.Now())}, nil
}

// singleName returns the value of the attribute with the user's name, and of
// several the one that the entry is named by.
func singleName(e *ldap.Entry, attribute string) (string, error) {
	names := values(e, attribute)
	if len(names) > 1 {
		parsed, err := ldap.ParseDN(e.DN)
		if err == nil && len(parsed.RDNs) > 0 {
			rdn := parsed.RDNs[0].Attributes
			names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
				return !slices.ContainsFunc(rdn, func(a *ldap.AttributeTypeAndValue) bool {
					return attributeName(a.Type) == attributeName(attribute) && fold(a.Value) == fold(name)
				})
			})
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("user_name_attr %s: want one value, or one that the entry is named by; there are %d", attribute, len(values(e, attribute)))
	}
	if !validName(names[0]) {
		return "", fmt.Errorf("user_name_attr %s: its value cannot be a name", attribute)
	}
	return names[0], nil
}
