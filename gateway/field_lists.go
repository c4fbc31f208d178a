package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

var (
	exactField  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	familyField = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9-]*\*?|\*[A-Za-z0-9-]*[A-Za-z0-9])$`)

	managedFields = newFamilies(ownFields)
	neverPassed   = newFamilies(hopFields, ownFields, secondPlaces)
	otherMeanings = newFamilies([]string{
		"Accept*", "Access-Control-*", "Cache-Control", "Content-*", "Cookie", "Date", "If-*", "Link", "Location", "Origin",
		"Range", "Referer", "User-Agent", "Vary", "Via", "X-Real-Ip",
	})
)

// CheckIdentityHeader reports why name cannot be Route.UserHeader or
// Route.GroupsHeader. An empty name, for no header, can.
func CheckIdentityHeader(name string) error {
	switch plain := plainOf(name); {
	case name == "":
	case !exactField.MatchString(name):
		return fmt.Errorf("%q is not the name of a header that upstreams agree on: write letters, digits and hyphens, such as X-Remote-User", name)
	case neverPassed.has(plain) || otherMeanings.has(plain):
		return fmt.Errorf("the header %s has another meaning: choose another name, such as X-Remote-User", name)
	}
	return nil
}

// CheckKeptHeader reports why name cannot be in r.KeepHeaders.
func (r Route) CheckKeptHeader(name string) error {
	switch plain := plainOf(name); {
	case !exactField.MatchString(name):
		return fmt.Errorf("%q is not the exact name of a header, of letters, digits and hyphens: name each one that is to be kept, since a pattern would keep some that nobody thought of", name)
	case r.tellsUser(plain):
		return fmt.Errorf("%s is how this route tells the upstream who the user is: whatever clients send under this name is removed", name)
	case managedFields.has(plain):
		return fmt.Errorf("the gateway writes %s itself: what clients send under this name is never passed on", name)
	case neverPassed.has(plain):
		return fmt.Errorf("%s is about the connection, or says once more what rules have judged: what clients send under this name is never passed on", name)
	}
	return nil
}

// CheckRemovedHeader reports why name cannot be in r.RemoveHeaders.
func (r Route) CheckRemovedHeader(name string) error {
	switch plain := plainOf(name); {
	case !familyField.MatchString(name):
		return fmt.Errorf(`%q is not the name of a header: write letters, digits and hyphens, and for all names that begin or end alike one *, as in "X-Acme-*" or "*-Acme-Id"`, name)
	case managedFields.has(plain) || r.tellsUser(plain):
		return fmt.Errorf("the gateway writes %s itself, so that it cannot be left out; what clients send under this name is removed without that", name)
	}
	for _, kept := range r.KeepHeaders {
		if strings.EqualFold(kept, name) {
			return fmt.Errorf("%s is in keep_headers too: take it out of one of them", name)
		}
	}
	return nil
}

// tellsUser reports whether a name is the one of a header by which the gateway tells
// the upstream of r who the user is.
func (r Route) tellsUser(plain string) bool {
	return plain != "" && (plain == plainOf(r.UserHeader) || plain == plainOf(r.GroupsHeader))
}

// plainOf returns the plain spelling of a name in any case; see [plainName].
func plainOf(name string) string { return plainName(http.CanonicalHeaderKey(name)) }

// checkHeaders checks the names of all request fields that the route speaks of.
func (r Route) checkHeaders() error {
	errs := []error{CheckIdentityHeader(r.UserHeader), CheckIdentityHeader(r.GroupsHeader)}
	for _, name := range r.KeepHeaders {
		errs = append(errs, r.CheckKeptHeader(name))
	}
	for _, name := range r.RemoveHeaders {
		errs = append(errs, r.CheckRemovedHeader(name))
	}
	return errors.Join(errs...)
}

// fieldFilter says which fields of a request the upstream does not get.
type fieldFilter struct {
	removed *families
	kept    map[string]bool // canonical; each in this spelling alone
}

// newFieldFilter returns the filter of r, whose names have been checked. Kept names are
// among the removed ones too: of these only the exact spelling is kept, and every other
// spelling is removed.
func newFieldFilter(r Route) fieldFilter {
	f := fieldFilter{newFamilies(hopFields, ownFields, secondPlaces, claims, r.RemoveHeaders, r.KeepHeaders), map[string]bool{}}
	for _, name := range []string{r.UserHeader, r.GroupsHeader} {
		if name != "" {
			f.removed.add(name)
		}
	}
	for _, name := range r.KeepHeaders {
		f.kept[http.CanonicalHeaderKey(name)] = true
	}
	return f
}

// drops reports whether a request field is kept from the upstream. The name is
// canonical.
func (f *fieldFilter) drops(name string) bool {
	return f.removed.has(plainName(name)) && !f.kept[name]
}
