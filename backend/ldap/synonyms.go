package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// An attribute has a number and any number of names, and a configuration may use each
// of them. Servers understand all, and answer by the name that was asked for (389
// Directory Server) or by the first one (OpenLDAP, Active Directory); RFC 4512,
// section 2.5.1.

// ownAttributes returns the attributes that the configuration names, if there is one that
// no preset names: by the names in presets all servers answer, unless they are asked for
// the same by another one too.
func ownAttributes(c Config, f userFilter) []string {
	names := append(f.attributes(), c.UserNameAttr, c.memberOf())
	if c.GroupNameAttr != nameIsDN {
		names = append(names, c.GroupNameAttr)
	}
	usual := []string{"cn", "memberOf"}
	for _, p := range presets() {
		filter, _ := parseUserFilter(p.UserFilter)
		usual = append(append(usual, filter.attributes()...), p.UserNameAttr)
	}
	isUnusual := func(name string) bool {
		return !slices.ContainsFunc(usual, func(u string) bool { return strings.EqualFold(u, name) })
	}
	if !slices.ContainsFunc(names, isUnusual) {
		return nil
	}
	return names
}

// nameAsAsked gives the attributes of entries the names that they were asked for by,
// where these are own ones of the configuration. Only where one is missing the schema
// is looked at.
func (b *Backend) nameAsAsked(ctx context.Context, entries []*ldap.Entry, asked []string) error {
	for _, name := range b.ownNames {
		if !slices.Contains(asked, name) {
			continue
		}
		for _, e := range entries {
			if values(e, name) != nil {
				continue
			}
			for _, a := range e.Attributes {
				same, err := b.sameAttribute(ctx, a.Name, name)
				if err != nil {
					return err
				}
				if same {
					e.Attributes = append(e.Attributes, &ldap.EntryAttribute{Name: name, Values: a.Values, ByteValues: a.ByteValues})
					break
				}
			}
		}
	}
	return nil
}

// sameAttribute reports whether two names are of one attribute. It fails where one is a
// number that could be any, since the schema cannot be read.
func (b *Backend) sameAttribute(ctx context.Context, x, y string) (bool, error) {
	known := func(name string) bool { return !slices.Contains(b.ownNames, name) }
	switch {
	case attributeName(x) == attributeName(y):
		return true, nil
	case known(x) && known(y) || b.asUser():
		return false, nil
	}
	s, err := b.schema(ctx)
	if err != nil {
		return false, err
	}
	if s != nil {
		one, other := s.attributes[strings.ToLower(x)], s.attributes[strings.ToLower(y)]
		return one != "" && one == other, nil
	}
	for _, name := range []string{x, y} {
		if name != "" && name[0] >= '0' && name[0] <= '9' { // a server may send an attribute without a name
			return false, fault.With("ldap.schema.unreadable", fmt.Errorf("the schema of the directory, which says what the attribute %s is, cannot be read: %w", name, backend.ErrUnavailable))
		}
	}
	return false, nil
}
