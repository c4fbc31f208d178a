package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// schema is what a directory says that there is: RFC 4512, section 4.2.
type schema struct {
	attributes, classes map[string]string // by name or number the first name of it, all in lower case

	// strict says that a filter on what is not in the schema is neither true nor false,
	// as RFC 4511, section 4.5.1.7, has it, also below a "not". To other servers it is
	// false.
	strict bool
}

// schemas remembers the schema of the directory.
type schemas struct {
	asking chan struct{} // holds a token while the directory is asked

	mu      sync.Mutex
	known   *schema // nil: it could not be read
	failure error   // of reading it the last time
	until   time.Time
}

// How long it counts what the schema is, and how long the failure to read it: because
// the account may not, or because the directory did not answer.
const (
	schemaTTL    = time.Hour
	schemaRetry  = time.Minute
	schemaOutage = 2 * time.Second
)

// everywhere has the attributes and the classes that no server is without (RFC 4519), and
// the one that the preset openldap names beside these, in case that there is.
var everywhere = schema{
	attributes: setOf("objectClass", "cn", "sn", "o", "ou", "dc", "uid", "member", "uniqueMember", "description", "userPassword"),
	classes:    setOf("top", "person", "organizationalPerson", "organizationalUnit", "groupOfNames", "groupOfUniqueNames", dynamicClass),
}

func setOf(names ...string) map[string]string {
	set := map[string]string{}
	for _, name := range names {
		set[strings.ToLower(name)] = strings.ToLower(name)
	}
	return set
}

// schema returns the schema of the directory, nil where the account may not read it. It
// fails where the directory gives no answer, and has given none yet: then nobody knows
// what it knows. The directory is asked once in a while.
func (b *Backend) schema(ctx context.Context) (*schema, error) {
	s := b.schemas
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
	if known, err, counts := s.recall(); counts {
		return known, err
	}
	now, err := b.readSchema(ctx)
	if ctx.Err() != nil { // who went away or came late has proved nothing
		return nil, gaveUp(ctx)
	}
	s.learn(now, err)
	known, err, _ := s.recall()
	return known, err
}

// recall returns what is known, and whether it counts: it does not where the directory
// has to be asked.
func (s *schemas) recall() (known *schema, err error, counts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil && errors.Is(s.failure, backend.ErrUnavailable) {
		err = fmt.Errorf("the schema of the directory, which says whether it knows what the configuration asks for, could not be read: %w", s.failure)
	}
	return s.known, err, time.Now().Before(s.until)
}

// learn remembers what the schema is, or the failure to read it. What was read last is as
// good as before.
func (s *schemas) learn(now *schema, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	switch {
	case err == nil:
		s.known, s.until = now, time.Now().Add(schemaTTL)
	case errors.Is(err, backend.ErrUnavailable):
		s.until = time.Now().Add(schemaOutage)
	default:
		s.until = time.Now().Add(schemaRetry)
	}
}

// readSchema asks the directory for its schema.
func (b *Backend) readSchema(ctx context.Context) (*schema, error) {
	root, err := b.readOne(ctx, "", "(objectClass=*)", "subschemaSubentry")
	if err != nil {
		return nil, err
	}
	place := first(root, "subschemaSubentry")
	if place == "" {
		return nil, errors.New("the server does not say where its schema is (subschemaSubentry of the root entry)")
	}
	entry, err := b.readOne(ctx, place, "(objectClass=subschema)", "attributeTypes", "objectClasses")
	if err != nil {
		return nil, err
	}
	s := &schema{attributes: definitions(values(entry, "attributeTypes")), classes: definitions(values(entry, "objectClasses"))}
	if len(s.attributes) == 0 || len(s.classes) == 0 {
		return nil, fmt.Errorf("the account may not read attributeTypes and objectClasses of %s", place)
	}
	s.strict, err = b.isStrict(ctx)
	return s, err
}

// isStrict asks whether "not" makes something true of what the server does not know.
func (b *Backend) isStrict(ctx context.Context) (bool, error) {
	const unknown = "gatehouseNoSuchAttribute"
	found, err := b.asService(ctx, query{
		base: b.config.UserBases[0], scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"},
	})
	if err != nil || len(found) == 0 {
		return true, err
	}
	found, err = b.asService(ctx, query{
		base: b.config.UserBases[0], scope: ldap.ScopeBaseObject, filter: "(!(" + unknown + "=*))", attributes: []string{"1.1"},
	})
	return len(found) == 0, err
}

// readOne reads one entry, which must be there.
func (b *Backend) readOne(ctx context.Context, name, filter string, attributes ...string) (*ldap.Entry, error) {
	entries, err := b.asService(ctx, query{base: name, scope: ldap.ScopeBaseObject, filter: filter, attributes: attributes})
	if err == nil && len(entries) != 1 {
		err = fmt.Errorf("the account may not read the entry %q", name)
	}
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}

// definition takes the number and the names out of a description such as
// ( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name ); RFC 4512, section 4.1.
var definition = regexp.MustCompile(`^\(\s*(\S+)(?:\s+NAME\s+(?:'([^']*)'|\(([^)]*)\)))?`)

func definitions(texts []string) map[string]string {
	names := map[string]string{}
	for _, text := range texts {
		parts := definition.FindStringSubmatch(text)
		if parts == nil {
			continue
		}
		all := strings.Fields(strings.ToLower(strings.ReplaceAll(parts[2]+" "+parts[3], "'", " ")))
		all = append(all, strings.ToLower(parts[1]))
		for _, name := range all {
			names[name] = all[0]
		}
	}
	return names
}

// userReferences returns what the configuration asks for to find users.
func (b *Backend) userReferences() []reference {
	compiled, _ := ldap.CompileFilter(b.config.UserFilter)
	return append(filterReferences("user_filter", compiled), reference{key: "user_name_attr", name: b.config.UserNameAttr})
}

// groupReferences returns what the configuration asks for to find groups.
func (b *Backend) groupReferences() []reference {
	c := b.config
	if c.GroupMode == groupsNone {
		return nil
	}
	compiled, _ := ldap.CompileFilter(c.GroupFilter)
	all := filterReferences("group_filter", compiled)
	if c.GroupNameAttr != nameIsDN {
		all = append(all, reference{key: "group_name_attr", name: c.GroupNameAttr})
	}
	for _, name := range c.GroupMemberAttrs {
		all = append(all, reference{key: "group_member_attrs", name: name})
	}
	switch {
	case c.MemberOfAttr != "":
		all = append(all, reference{key: "member_of_attr", name: c.MemberOfAttr})
	case c.GroupMode == groupsMemberOf:
		all = append(all, reference{key: "group_mode", name: c.memberOf()})
	}
	if c.PrimaryGroup == primaryGID {
		all = append(all, reference{key: "primary_group", name: "gidNumber"})
	}
	return all
}

// filterGroupReferences returns what the groups of the configuration are made of.
func (b *Backend) filterGroupReferences() (all []reference) {
	for _, g := range b.config.FilterGroups {
		if compiled, err := ldap.CompileFilter(g.Filter); err == nil {
			all = append(all, filterReferences(fmt.Sprintf("the filter of the filter_group %q", g.Name), compiled)...)
		}
	}
	return all
}

// unknown returns those references that are to nothing in the schema of the directory.
// Where all are to what every directory has, or the account may not read the schema, it
// returns none.
func (b *Backend) unknown(ctx context.Context, all []reference) ([]reference, error) {
	inDoubt := slices.DeleteFunc(all, func(r reference) bool { return r.isIn(everywhere) })
	if len(inDoubt) == 0 || b.asUser() {
		return nil, nil
	}
	s, err := b.schema(ctx)
	if s == nil {
		return nil, err
	}
	return slices.DeleteFunc(inDoubt, func(r reference) bool { return r.isIn(*s) }), nil
}

// unknownAttributes does so for attributes alone. A class that is not known is in no
// entry, so that a list of classes for several kinds of directories does no harm.
func (b *Backend) unknownAttributes(ctx context.Context, all []reference) ([]reference, error) {
	unknown, err := b.unknown(ctx, all)
	return slices.DeleteFunc(unknown, func(u reference) bool { return u.isClass }), err
}

// unknownError says that the directory does not know what the configuration asks for.
func unknownError(all []reference) error {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.String())
	}
	return fault.With("ldap.schema.unknown", fmt.Errorf("%s, which the schema of the directory does not have: %w", strings.Join(slices.Compact(texts), ", "), backend.ErrUnavailable))
}

// nobodyFound says what it means that user_filter found nobody: nothing, where it can
// be true of nobody since the directory does not know what it asks for.
func (b *Backend) nobodyFound(ctx context.Context) error {
	if err := b.matchesNobody(ctx, "user_filter", b.config.UserFilter); err != nil {
		return err
	}
	return fault.With("ldap.user.unknown", backend.ErrUnknownUser)
}

// matchesNobody fails if a filter can be true of no entry, as far as that is known.
func (b *Backend) matchesNobody(ctx context.Context, key, text string) error {
	compiled, err := ldap.CompileFilter(text)
	if err != nil {
		return nil
	}
	unknown, err := b.unknown(ctx, filterReferences(key, compiled))
	if len(unknown) == 0 {
		return err
	}
	if s, _ := b.schema(ctx); s != nil {
		if isTrue, _ := s.canBe(compiled); !isTrue {
			return fmt.Errorf("%s matches nothing: %w", key, unknownError(unknown))
		}
	}
	return nil
}

// doubtGroups notes what of the configuration for groups the directory does not know: a
// group that is found by it alone is not found.
func (r *resolver) doubtGroups(ctx context.Context) {
	if r.config.GroupMode == groupsNone {
		return
	}
	unknown, err := r.unknownAttributes(ctx, r.groupReferences())
	switch {
	case err != nil:
		r.lack(false, err)
	case len(unknown) > 0:
		nameAlone := !slices.ContainsFunc(unknown, func(u reference) bool { return u.key != "group_name_attr" })
		r.lack(nameAlone, unknownError(unknown))
	default:
		if err := r.matchesNobody(ctx, "group_filter", r.config.GroupFilter); err != nil {
			r.lack(false, err)
		}
	}
}
