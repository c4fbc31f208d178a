package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/spell"
)

var (
	_ backend.Examiner  = (*Backend)(nil)
	_ backend.Explainer = (*Backend)(nil)
)

// Examine tries each server by itself, then the bases, the groups that rules
// name, when the directory locks accounts, a user, and some load.
func (b *Backend) Examine(ctx context.Context, what backend.Examination, report func(backend.Finding)) {
	e := &examination{Backend: b, what: what, report: report}
	if !e.servers(ctx) {
		return
	}
	if b.asUser() {
		e.ownUser(ctx)
		return
	}
	there := true
	for _, base := range b.config.UserBases {
		there = e.base(ctx, "user base", base) && there
	}
	for _, base := range b.config.GroupBases {
		if b.config.GroupMode != groupsNone && !slices.Contains(b.config.UserBases, base) {
			there = e.base(ctx, "group base", base) && there
		}
	}
	if !there {
		return // every search would fail for the same reason
	}
	e.survey(ctx)
	e.groupsOfRules(ctx)
	if what.User == "" {
		e.lockOut(ctx, backend.Identity{})
	} else {
		e.user(ctx)
	}
	e.load(ctx)
}

// examination is one call of Examine.
type examination struct {
	*Backend
	what   backend.Examination
	report func(backend.Finding)

	server   address  // the first that works
	contexts []string // the tops of its trees
}

// step does one step, reports it, and reports back whether it went well.
func (e *examination) step(name, subject, command string, f func(*backend.Finding) error) bool {
	start := time.Now()
	finding := backend.Finding{Step: name, Subject: subject, Command: command}
	err := f(&finding)
	finding.Took = time.Since(start)
	if err != nil {
		finding.Failed = true
		finding.Text = strings.TrimPrefix(finding.Text+": "+err.Error(), ": ")
		finding.Code = fault.Of(err)
		finding.Advice = cmp.Or(finding.Advice, finding.Code.Advice(), "see the error, and repeat it with the command")
	}
	e.report(finding)
	return err == nil
}

// base finds out whether a base is there, and if not how much of its name is. It reports
// back whether searches below it can go on.
func (e *examination) base(ctx context.Context, name, base string) (there bool) {
	there = true
	q := query{base: base, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}}
	e.step(name, base, e.ldapsearch(q), func(f *backend.Finding) error {
		entries, err := e.asService(ctx, q)
		if err == nil && len(entries) != 1 {
			return fault.With("ldap.search.forbidden", errors.New("it is there, and the account may not read it"))
		}
		if code, answered := codeOf(err); answered && code == ldap.LDAPResultNoSuchObject {
			there = false
			e.explainAbsence(ctx, f, base, err)
		}
		return err
	})
	return there
}

// explainAbsence says where the way to an entry ends, and what is there that has
// nearly the same name.
func (e *examination) explainAbsence(ctx context.Context, f *backend.Finding, name string, cause error) {
	wanted, err := parseDN(name)
	if err != nil {
		return
	}
	there := e.nearestAbove(ctx, wanted, cause)
	if there == nil {
		if len(e.contexts) > 0 {
			f.Advice = "the server has " + strings.Join(e.contexts, "; ") + ": write a name that ends in one of these"
		}
		return
	}
	missing := wanted[len(wanted)-len(there)-1]
	f.Text = fmt.Sprintf("%s does not exist below %s", missing, there)
	f.Advice = "check the spelling, and that the account may read it" + spell.DidYouMean(missing, e.children(ctx, there.String()))
}

// nearestAbove returns the lowest entry above one that is missing. OpenLDAP and
// Windows tell in their answer; RFC 4511, section 4.1.9. Others have to be asked.
func (e *examination) nearestAbove(ctx context.Context, missing dn, cause error) dn {
	var answer *ldap.Error
	if errors.As(cause, &answer) {
		if there, err := parseDN(answer.MatchedDN); err == nil && missing.isBelow(there) && len(there) < len(missing) {
			return there
		}
	}
	for i := 1; i < len(missing); i++ {
		above := missing[i:]
		entries, err := e.asService(ctx, query{base: above.String(), scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}})
		if err == nil && len(entries) == 1 {
			return above
		}
	}
	return nil
}

// children returns the last parts of the names of the entries directly below one.
func (e *examination) children(ctx context.Context, name string) []string {
	entries, err := e.asService(ctx, query{base: name, scope: ldap.ScopeSingleLevel, filter: "(objectClass=*)", attributes: []string{"1.1"}, paged: true})
	if err != nil {
		return nil // there is no suggestion then
	}
	var names []string
	for _, entry := range entries {
		if d, err := parseDN(entry.DN); err == nil {
			names = append(names, d[0])
		}
	}
	return names
}
