package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
)

// spelling is how the backend called source writes a name.
type spelling struct{ source, name string }

// spelledBy returns the name as it stands in what source says.
func (p principal) spelledBy(source string) string {
	for _, s := range p.spellings {
		if s.source == source {
			return s.name
		}
	}
	return p.name
}

// bindNames gives the names in r the meaning that they have on route: it splits
// off the names of backends and asks the backend for the canonical spelling,
// because Identity and Groups use no other.
func bindNames(r Requirement, route Route) (Requirement, error) {
	if r == nil {
		return nil, errors.New(`it has no require: say who is let in, such as require = ["valid-user"]`)
	}
	if err := checkVouchers(r, route); err != nil {
		return nil, err
	}
	return r.rename(func(p principal) (principal, error) {
		text := p.String()
		if name, ok := strings.CutPrefix(p.name, RobotSource+":"); ok && p.kind == userKind && name != "" {
			return p.robot(name), nil
		}
		if source, name, ok := strings.Cut(p.name, ":"); ok && source != "" && slices.Contains(route.Backends, source) {
			p.source, p.name = source, name
		}
		if p = p.canonical(route); p.name == "" {
			return p, p.at.inRequire(fmt.Errorf("%s: there is no such name", text))
		}
		return p, nil
	})
}

// canonical returns p with its name as the backends spell it that it may be of. A
// name for which they have several spellings stays as it is: one backend may take
// Alice and alice for two users, of which another knows but one.
func (p principal) canonical(route Route) principal {
	sources := route.Backends
	if p.source != "" || len(sources) == 0 {
		sources = []string{p.source}
	}
	for _, source := range sources {
		s := spelling{source, p.name}
		if names := backend.Extend(route.Backend).Spelling(source); p.kind == userKind {
			s.name = names.CanonicalUser(p.name)
		} else {
			s.name = names.CanonicalGroup(p.name)
		}
		p.spellings = append(p.spellings, s)
	}
	first := p.spellings[0].name
	if !slices.ContainsFunc(p.spellings, func(s spelling) bool { return s.name != first }) {
		p.name, p.spellings = first, nil
	}
	return p
}

// checkVouchers refuses the name of a backend that vouches for nobody on route: nobody
// would be let in by it, and everybody by its negative.
func checkVouchers(r Requirement, route Route) error {
	var errs []error
	leaves(r, func(leaf Requirement) {
		if v, ok := leaf.(voucher); ok && !slices.Contains(route.Backends, v.name) {
			errs = append(errs, v.at.inRequire(fmt.Errorf("%s: no user of the route is vouched for by it; want one of %s", v, strings.Join(route.Backends, ", "))))
		}
	})
	return errors.Join(errs...)
}
