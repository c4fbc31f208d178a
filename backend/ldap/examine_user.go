package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// user looks for the user, the groups, and checks the password once.
func (e *examination) user(ctx context.Context) {
	id, found := e.findUser(ctx)
	if !found {
		e.lockOut(ctx, backend.Identity{})
		return
	}
	e.step("account", id.User, e.ldapsearch(query{base: id.Handle, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: stateAttributes()}), func(f *backend.Finding) error {
		now, err := e.Revalidate(ctx, id)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			f.Text = "without a service account nobody can say whether it may be used"
			return nil
		case err == nil:
			f.Text = "it may be used, as far as the service account may read its state"
			if now.Expires != "" {
				f.Text += "; its password expires on " + now.Expires
				f.Advice = "have the password changed before then"
			}
		}
		return err
	})
	e.groupsOf(ctx, id)
	safe := e.lockOut(ctx, id)
	if e.what.Password == "" {
		return
	}
	e.step("user bind", id.User, e.userBind(id.Handle), func(f *backend.Finding) error {
		if !safe {
			f.Advice = "wait until the directory forgets the wrong passwords, or have it reset them"
			return fault.With("ldap.lockout.budget", errors.New("not tried: one more wrong password would lock the account"))
		}
		_, err := e.Verify(ctx, id, e.what.Password)
		return err
	})
}

// ownUser logs the user in where nobody else may look for users.
func (e *examination) ownUser(ctx context.Context) {
	if e.what.User == "" || e.what.Password == "" {
		return
	}
	var id backend.Identity
	l, _ := e.parseLogin(ctx, e.what.User)
	name, _ := e.bindName(l)
	if !e.step("user bind", e.what.User, e.userBind(name), func(f *backend.Finding) (err error) {
		id, err = e.Authenticate(ctx, e.what.User, e.what.Password)
		f.Text = foundAs(id)
		return err
	}) {
		return
	}
	e.step("groups", id.User, e.userBind(name), func(f *backend.Finding) (err error) {
		f.Details, err = e.Groups(ctx, id)
		err = backend.MissingGroups(err)
		f.Text = fmt.Sprintf("%d names of groups", len(f.Details))
		return err
	})
}

// userBind returns the command that logs in as somebody.
func (e *examination) userBind(name string) string {
	return e.ldapsearchAs(query{filter: "(objectClass=*)", attributes: []string{"1.1"}}, "-x", "-D", name, "-W")
}

func foundAs(id backend.Identity) string {
	if id.User == "" {
		return ""
	}
	return fmt.Sprintf("user %q, entry %q", id.User, id.Handle)
}

// userQuery is how a user is searched for below one of the bases.
func (e *examination) userQuery(base string, l login) query {
	attributes := append(e.filter.attributes(), e.config.UserNameAttr)
	slices.Sort(attributes)
	q := query{base: base, scope: ldap.ScopeWholeSubtree, filter: e.filter.filter(l), attributes: slices.Compact(attributes)}
	if e.config.UserScope == "one" {
		q.scope = ldap.ScopeSingleLevel
	}
	return q
}

// findUser looks for the user as a login does.
func (e *examination) findUser(ctx context.Context) (id backend.Identity, found bool) {
	l, ok := e.parseLogin(ctx, e.what.User)
	q := e.userQuery(e.config.UserBases[0], l)
	found = e.step("user", e.what.User, e.ldapsearch(q), func(f *backend.Finding) error {
		if !ok {
			f.Advice = "type it without blanks at an end, control characters, full-width letters, and without a domain that is not in domains"
			return fault.With("login.unknown_user", errors.New("no name of a user can look like this"))
		}
		f.Text = "filter " + q.filter
		bound, err := e.bindName(l)
		if err != nil {
			return err
		}
		entry, err := e.find(ctx, e.asService, l, bound)
		switch {
		case errors.Is(err, errAmbiguous):
			f.Details = e.entriesOf(ctx, l)
		case errors.Is(err, backend.ErrUnknownUser):
			e.wouldMatch(ctx, f, l)
		}
		if err != nil {
			return err
		}
		id, err = e.identity(entry)
		f.Text += ": one entry: " + foundAs(id)
		return err
	})
	return id, found
}

// listMax is how many entries are shown of those that should be one.
const listMax = 10

// entriesOf returns the names of the entries that a login matches.
func (e *examination) entriesOf(ctx context.Context, l login) []string {
	var names []string
	for _, base := range e.config.UserBases {
		q := e.userQuery(base, l)
		q.paged = true
		entries, _ := e.asService(ctx, q) // the failure is reported already
		for _, entry := range entries {
			if !slices.Contains(names, entry.DN) {
				names = append(names, entry.DN)
			}
		}
	}
	return names[:min(len(names), listMax)]
}

// usualNames returns the attributes in which directories keep what people log in
// with.
func usualNames() []string {
	return []string{"uid", "sAMAccountName", "userPrincipalName", "mail", "cn"}
}

// wouldMatch says which attributes of which entries have what was typed, where
// user_filter finds nobody: first below the bases, and then anywhere.
func (e *examination) wouldMatch(ctx context.Context, f *backend.Finding, l login) {
	var alternatives []string
	for _, attribute := range usualNames() {
		alternatives = append(alternatives, equals(attribute, l.user))
		if l.account != l.user {
			alternatives = append(alternatives, equals(attribute, l.account))
		}
	}
	f.Text += ": no entry"
	for _, bases := range [][]string{e.config.UserBases, e.tops()} {
		for _, base := range bases {
			entries, err := e.asService(ctx, query{
				base: base, scope: ldap.ScopeWholeSubtree, filter: anyOf(alternatives), attributes: append(usualNames(), "objectClass"), paged: true,
			})
			if err != nil {
				continue // there is no suggestion then
			}
			for _, entry := range entries[:min(len(entries), listMax)] {
				e.suggest(f, entry, l)
			}
		}
		if len(f.Details) > 0 {
			return
		}
	}
}

// suggest says why an entry that has what was typed somewhere was not found.
func (e *examination) suggest(f *backend.Finding, entry *ldap.Entry, l login) {
	for _, attribute := range usualNames() {
		if !slices.ContainsFunc(values(entry, attribute), func(v string) bool { return fold(v) == fold(l.user) || fold(v) == fold(l.account) }) {
			continue
		}
		f.Details = append(f.Details, fmt.Sprintf("%s of %s would match", attribute, entry.DN))
		asked := slices.ContainsFunc(e.filter.attributes(), func(a string) bool { return strings.EqualFold(a, attribute) })
		isAlias := slices.ContainsFunc(values(entry, "objectClass"), func(class string) bool { return strings.EqualFold(class, "alias") })
		switch {
		case isAlias:
			f.Advice = "the entry is an alias: set dereference = \"always\" if what it stands for may log in"
		case !e.isPlaceOfUsers(entry.DN):
			f.Advice = "add the place of the entry to user_bases"
		case asked:
			f.Advice = "the entry has the name, and something else in user_filter keeps it out: compare its objectClass"
		case f.Advice == "":
			f.Advice = fmt.Sprintf("have user_filter ask for %s, as in %q", attribute, "("+attribute+"={user})")
		}
	}
}
