package ldaptest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Entry is an object in the directory.
type Entry struct {
	// DN is its name, spelled as clients are to see it.
	DN string

	// Attributes are its values by the names of the attributes.
	Attributes map[string][]string

	// Password lets clients bind as the entry. Without one nobody can.
	Password string

	// State, where there is one, is the answer to a bind with the right
	// password, as for a locked account. With StateAlways it is the answer to
	// a bind with any password.
	State       *Answer
	StateAlways bool

	// Operational lists those attributes that are sent only when asked for by
	// their names. The identifier of an entry is one of them (entryUUID, RFC 4530;
	// objectGUID of Active Directory): an entry without one gets a value that no
	// other has, and keeps it until it is removed.
	Operational []string

	key    string              // folded DN
	folded map[string][]string // values by the lower-case names of attributes
}

// index makes what filters compare with.
func (e *Entry) index() {
	e.key = foldDN(e.DN)
	e.folded = map[string][]string{"entrydn": {e.key}, "distinguishedname": {e.key}}
	for name := range e.Attributes {
		e.indexAttribute(name)
	}
}

func (e *Entry) indexAttribute(name string) {
	var folded []string
	for _, v := range e.Attributes[name] {
		folded = append(folded, folding(name)(v))
	}
	e.folded[strings.ToLower(name)] = folded
}

// fold returns the values of an attribute as filters compare them.
func (e *Entry) fold(attribute string) []string { return e.folded[strings.ToLower(attribute)] }

// values returns the values of an attribute, whatever the case of its name.
func (e *Entry) values(attribute string) []string {
	for name, values := range e.Attributes {
		if strings.EqualFold(name, attribute) {
			return values
		}
	}
	return nil
}

func (e *Entry) operational(attribute string) bool {
	return slices.ContainsFunc(e.Operational, func(o string) bool { return strings.EqualFold(o, attribute) })
}

// tree has the entries by their folded names.
type tree map[string]*Entry

func (t tree) set(e Entry) error {
	if _, err := ldap.ParseDN(e.DN); err != nil {
		return fmt.Errorf("entry %q: %w", e.DN, err)
	}
	e.Attributes = maps.Clone(e.Attributes)
	e.index()
	t[e.key] = &e
	return nil
}

// identify gives e its identifier. Servers with the same content give the same ones,
// as replicas do.
func (s *Server) identify(e *Entry) {
	attribute := "entryUUID"
	if s.config.ActiveDirectory {
		attribute = "objectGUID"
	}
	if e.Attributes[attribute] != nil {
		return
	}
	key := foldDN(e.DN)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", key, s.removals[key]))
	value := []string{fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])}
	if s.config.ActiveDirectory {
		value = []string{string(sum[:16])}
	}
	if old := s.tree[key]; old != nil {
		value = old.Attributes[attribute]
	}
	e.Attributes = maps.Clone(e.Attributes)
	if e.Attributes == nil {
		e.Attributes = map[string][]string{}
	}
	e.Attributes[attribute] = value
	e.Operational = append(slices.Clip(e.Operational), attribute)
}

// foldDN returns a spelling of dn that all equal names share.
func foldDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "\x00" + strings.ToLower(dn)
	}
	rdns := make([]string, len(parsed.RDNs))
	for i, rdn := range parsed.RDNs {
		for _, a := range rdn.Attributes {
			a.Type, a.Value = strings.ToLower(a.Type), foldValue(a.Value)
		}
		rdns[i] = commas.Replace(rdn.String())
	}
	return strings.Join(rdns, ",")
}

// commas leaves none but those between the parts of a name.
var commas = strings.NewReplacer(`\\`, `\5c`, `\,`, `\2c`)

// foldValue is the matching rule caseIgnoreMatch, without its preparation of
// strings beyond blanks.
func foldValue(v string) string { return strings.ToLower(strings.Join(strings.Fields(v), " ")) }

const (
	scopeBase = 0
	scopeOne  = 1
	scopeSub  = 2
)

// within returns the entries at or below base, in the order of their names.
func (t tree) within(base string, scope int) []*Entry {
	base = foldDN(base)
	var found []*Entry
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if inScope(name, base, scope) {
			found = append(found, t[name])
		}
	}
	return found
}

func inScope(name, base string, scope int) bool {
	if name == base {
		return scope != scopeOne
	}
	above, below := strings.CutSuffix(name, ","+base)
	if base == "" {
		above, below = name, true
	}
	return below && (scope == scopeSub || scope == scopeOne && !strings.Contains(above, ","))
}

// groupsOf returns the entries that have name as a member, and with nested the
// groups that have those as members, and so on.
func (t tree) groupsOf(name string, nested bool) []*Entry {
	var found []*Entry
	seen := map[string]bool{}
	queue := []string{foldDN(name)}
	for len(queue) > 0 {
		member := queue[0]
		queue = queue[1:]
		for _, key := range slices.Sorted(maps.Keys(t)) {
			e := t[key]
			if seen[key] || !slices.Contains(e.fold("member"), member) {
				continue
			}
			seen[key] = true
			found = append(found, e)
			if nested {
				queue = append(queue, key)
			}
		}
	}
	return found
}

// tokenGroups returns the identifiers of all groups that e is in, its primary group
// among them, but of some types: of distribution groups (2) there is no trace in a token.
func (t tree) tokenGroups(e *Entry, without ...string) []string {
	var sids []string
	starts := []string{e.DN}
	if primary := t.primaryGroup(e); primary != nil {
		sids = append(sids, primary.values("objectSid")...)
		starts = append(starts, primary.DN)
	}
	for _, start := range starts {
		for _, g := range t.groupsOf(start, true) {
			if !slices.ContainsFunc(g.values("groupType"), func(kind string) bool { return slices.Contains(without, kind) }) {
				sids = append(sids, g.values("objectSid")...)
			}
		}
	}
	slices.Sort(sids)
	return slices.Compact(sids)
}

func (t tree) primaryGroup(e *Entry) *Entry {
	id := e.values("primaryGroupID")
	if len(id) != 1 {
		return nil
	}
	relative, err := strconv.ParseUint(id[0], 10, 32)
	if err != nil {
		return nil
	}
	for _, g := range t {
		if slices.Contains(g.values("objectSid"), SID(uint32(relative))) {
			return g
		}
	}
	return nil
}
