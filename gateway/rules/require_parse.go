package rules

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/backend/fault"
)

// maxDepth bounds how deep lists may stand inside each other.
const maxDepth = 16

// ParseRequire reads the value of require in a rule, as a TOML decoder gives
// it: a list of which any item is enough. An item is one of the strings
//
//	valid-user        whoever has logged in
//	user NAME…        one of these users
//	group NAME…       a member of one of these groups
//	backend NAME…     whoever one of these backends vouches for
//	via WAY…          whoever has logged in with a password, a token or an identity token
//	ip ADDRESS…       from one of these addresses or CIDR ranges
//	all granted       everybody, also without a login
//	all denied        nobody
//	not ITEM          user, group, backend, via or ip that must not hold
//
// or a table with one key, any, all or none, and a list of such items. Names
// with blanks stand in double quotes, in which \" and \\ stand for " and \.
// "not" and "none" may stand only in the list of an all which also says who is
// let in: in any other list they would let in everybody else.
//
// The error names each bad item by its position, such as require[1].all[0], which is its
// path too; see [fault.Path].
func ParseRequire(items []any) (Requirement, error) {
	var p requireParser
	list := p.list(place{"require"}, items, 1)
	p.refuseNegative(place{"require"}, list)
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return newAny(list), nil
}

type requireParser struct {
	errs []error
}

func (p *requireParser) fail(at place, format string, args ...any) {
	p.errs = append(p.errs, fault.At(fmt.Errorf("%v: %w", at, fmt.Errorf(format, args...)), at...))
}

// list parses items. In place of what it cannot read it leaves nil, and an error.
func (p *requireParser) list(at place, items []any, depth int) []Requirement {
	if len(items) == 0 {
		p.fail(at, `the list is empty: write "all denied" or "all granted" if nobody or everybody is meant`)
	}
	if depth > maxDepth {
		p.fail(at, "lists stand more than %d deep inside each other", maxDepth)
		return nil
	}
	list := make([]Requirement, len(items))
	for i, item := range items {
		list[i] = p.item(at.below(i), item, depth)
	}
	return list
}

func (p *requireParser) item(at place, item any, depth int) Requirement {
	switch item := item.(type) {
	case string:
		r, err := parseItem(item)
		if err != nil {
			p.fail(at, "%w", err)
			return nil
		}
		return placed(r, at)
	case map[string]any:
		return p.table(at, item, depth)
	}
	p.fail(at, `want a string such as "valid-user", or a table { any = […] }, { all = […] } or { none = […] }; got a value of type %T`, item)
	return nil
}

// placed returns r with the place where its names stand, for errors that only a route shows.
func placed(r Requirement, at place) Requirement {
	switch r := r.(type) {
	case voucher:
		r.at = at
		return r
	case principal:
		r.at = at
		return r
	case not:
		return not{placed(r.Requirement, at)}
	case anyOf:
		for i := range r {
			r[i] = placed(r[i], at)
		}
	}
	return r
}

func (p *requireParser) table(at place, table map[string]any, depth int) Requirement {
	if len(table) != 1 {
		p.fail(at, "a table has exactly one key, any, all or none; got %d: make one table of each", len(table))
		return nil
	}
	for key, value := range table {
		if key != "any" && key != "all" && key != "none" {
			p.fail(at, "unknown key %q: want any, all or none", key)
			return nil
		}
		items, ok := value.([]any)
		if !ok {
			p.fail(at, "the value of %s must be a list, such as { %s = [\"valid-user\"] }", key, key)
			return nil
		}
		at = at.below(key)
		return p.combine(at, key, p.list(at, items, depth+1))
	}
	return nil
}

func (p *requireParser) combine(at place, key string, list []Requirement) Requirement {
	if key == "all" {
		if len(list) > 0 && !slices.ContainsFunc(list, func(r Requirement) bool { return !isNegative(r) }) {
			p.fail(at, `the list says only who is not let in: add who is, such as "valid-user"`)
			return nil
		}
		return newAll(list)
	}
	p.refuseNegative(at, list)
	if key == "none" {
		return not{newAny(list)}
	}
	return newAny(list)
}

func (p *requireParser) refuseNegative(at place, list []Requirement) {
	for i, r := range list {
		if isNegative(r) {
			p.fail(at.below(i), `"not" and "none" may stand only in { all = […] }, beside who is let in, such as { all = ["valid-user", "not user bob"] }; here they would let in everybody else`)
		}
	}
}

func isNegative(r Requirement) bool {
	_, negative := r.(not)
	return negative
}

// newAny splices lists into each other that mean the same.
func newAny(list []Requirement) Requirement {
	var flat anyOf
	for _, r := range list {
		if inner, ok := r.(anyOf); ok {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, r)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return flat
}

func newAll(list []Requirement) Requirement {
	if len(list) == 1 {
		return list[0]
	}
	return allOf(list)
}
