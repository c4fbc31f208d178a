package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// GroupsForm says which names of a user's groups Route.GroupsHeader has.
type GroupsForm string

// The forms of Route.GroupsHeader. A backend may call one group by a distinguished
// name and by a short one: the header never has both.
const (
	GroupsShort GroupsForm = "short" // all names but distinguished ones; the default
	GroupsDN    GroupsForm = "dn"    // distinguished names alone
	GroupsNamed GroupsForm = "named" // the groups that rules of the route name, by the names there
)

// Bounds of Route.GroupsHeaderBytes. Most servers take no longer line than the
// default, and what takes more than the greatest is not known.
const (
	defaultGroupsBytes = 8 << 10
	maxGroupsBytes     = 64 << 10
)

// groupsHeader is how the upstream of a route is told the groups of a user. Without
// a name it is not.
type groupsHeader struct {
	name  string // plain
	form  GroupsForm
	bytes int  // of a value, at most
	omit  bool // a longer one is left out, and not refused
}

func newGroupsHeader(r Route) (groupsHeader, error) {
	h := groupsHeader{plainOf(r.GroupsHeader), cmp.Or(r.GroupsHeaderForm, GroupsShort), cmp.Or(r.GroupsHeaderBytes, defaultGroupsBytes), r.OmitLongGroups}
	switch {
	case !slices.Contains([]GroupsForm{GroupsShort, GroupsDN, GroupsNamed}, h.form):
		return h, fmt.Errorf("groups in the form %q cannot be told: want %q, %q or %q", h.form, GroupsShort, GroupsDN, GroupsNamed)
	case h.bytes < 1 || h.bytes > maxGroupsBytes:
		return h, fmt.Errorf("a groups header of %d bytes cannot be sent: want 1 to %d", h.bytes, maxGroupsBytes)
	}
	return h, nil
}

// errGroupsTooLong is why a user who may do something cannot: to pass on a part of
// the groups would be to say that the user is in no other.
var errGroupsTooLong = fault.Kind("request.groups_too_long", "the groups of the user do not fit into the groups header")

// groupsTooLong is the answer to a user whose groups the upstream cannot be told. It
// is no outage, after which clients would try again.
func groupsTooLong(cause error) *problem {
	return &problem{
		status: http.StatusForbidden, code: codeDenied, cause: cause, signed: true,
		message: "you are in more groups than the service behind can be told of; please ask its administrator",
	}
}

// isKnown reports whether enough of the groups of who is known for the header.
func (h groupsHeader) isKnown(p *rules.Policy, who rules.Subject) bool {
	switch h.form {
	case GroupsNamed:
		return p.KnowsNamed(who)
	case GroupsDN:
		return who.GroupsKnown || who.OnlyShortNames
	}
	return who.GroupsKnown
}

// names returns the names that the header has of the groups of who.
func (h groupsHeader) names(p *rules.Policy, who rules.Subject) []string {
	if h.form == GroupsNamed {
		return p.NamedOf(who)
	}
	return slices.DeleteFunc(slices.Clone(who.Groups), func(name string) bool { return backend.ReadsAsDN(name) != (h.form == GroupsDN) })
}

// value returns the value of the header for who, and fails where it is too long.
func (h groupsHeader) value(p *rules.Policy, who rules.Subject) (string, error) {
	names := h.names(p, who)
	value := joinGroups(names)
	if len(value) > h.bytes {
		return "", fmt.Errorf("%w: %d groups make %d bytes, and groups_header_bytes is %d", errGroupsTooLong, len(names), len(value), h.bytes)
	}
	return value, nil
}

// tellGroups makes the value of the header by which the upstream is told the groups.
func (x *exchange) tellGroups() *problem {
	h := x.route.groups
	if h.name == "" || !x.who.LoggedIn {
		return nil
	}
	value, err := h.value(x.route.policy, x.who)
	switch {
	case err == nil:
		x.groups, x.tellsGroups = value, true
	case h.omit:
		x.cause = err // for the access record; the request goes on
	default:
		return groupsTooLong(err)
	}
	return nil
}

// joinGroups makes one field value of group names, comma-separated, in which what
// would make the list ambiguous is percent-encoded, so that no name can be taken for
// two, or for another one: commas, percent signs, what no field value can hold, and
// blanks at the ends of a name, which readers of lists take away. All that is not
// ASCII is too: some readers take it for ISO 8859-1, in which "à" ends in a blank.
func joinGroups(groups []string) string {
	var b strings.Builder
	for i, g := range groups {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, c := range []byte(g) {
			if c == ',' || c == '%' || c < ' ' || c >= 0x7f || c == ' ' && (j == 0 || j == len(g)-1) {
				strict.WriteEscaped(&b, c)
				continue
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
