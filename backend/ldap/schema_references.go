package ldap

import (
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// reference is a place of the configuration that names an attribute or a class.
type reference struct {
	key, name string
	isClass   bool
}

func (r reference) isIn(s schema) bool {
	if r.isClass {
		return s.classes[strings.ToLower(r.name)] != ""
	}
	return s.attributes[strings.ToLower(r.name)] != ""
}

// String says what is meant, and where it stands.
func (r reference) String() string {
	if r.isClass {
		return fmt.Sprintf("%s asks for the object class %s", r.key, r.name)
	}
	return fmt.Sprintf("%s names the attribute %s", r.key, r.name)
}

// filterReferences returns what a filter is about.
func filterReferences(key string, p *ber.Packet) (all []reference) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, child := range p.Children {
			all = append(all, filterReferences(key, child)...)
		}
		return all
	}
	attribute, value := assertion(p)
	if attribute != "" {
		all = append(all, reference{key: key, name: attribute})
	}
	if value != "" && strings.EqualFold(attribute, "objectClass") {
		all = append(all, reference{key: key, name: value, isClass: true})
	}
	return all
}

// assertion returns the attribute that a part of a filter is about, and for a part that
// compares for equality the value.
func assertion(p *ber.Packet) (attribute, value string) {
	switch {
	case p.Tag == ldap.FilterPresent:
		attribute = p.Data.String()
	case p.Tag == ldap.FilterExtensibleMatch:
		for _, part := range p.Children {
			if part.Tag == ldap.MatchingRuleAssertionType {
				attribute = part.Data.String()
			}
		}
	case len(p.Children) == 2:
		attribute = p.Children[0].Data.String()
		if p.Tag == ldap.FilterEqualityMatch {
			value = p.Children[1].Data.String()
		}
	}
	attribute, _, _ = strings.Cut(attribute, ";") // an option is none of the schema
	return attribute, value
}

// canBe reports whether a filter can be true of an entry, and whether it can be false,
// whatever the values are. What is not in the schema is in no entry.
func (s schema) canBe(p *ber.Packet) (isTrue, isFalse bool) {
	switch p.Tag {
	case ldap.FilterNot:
		isFalse, isTrue = s.canBe(p.Children[0])
		return isTrue, isFalse
	case ldap.FilterAnd, ldap.FilterOr:
		all, some := true, false // of the children: can be true under "and", false under "or"
		for _, child := range p.Children {
			t, f := s.canBe(child)
			if p.Tag == ldap.FilterOr {
				t, f = f, t
			}
			all, some = all && t, some || f
		}
		if p.Tag == ldap.FilterOr {
			return some, all
		}
		return all, some
	}
	for _, r := range filterReferences("", p) {
		if !r.isIn(s) {
			return false, !s.strict
		}
	}
	return true, true
}
