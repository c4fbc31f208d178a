package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
)

// methodSet has a bit for each method of knownMethods.
type methodSet uint

// knownMethods are the methods that a rule may be about. TRACE and CONNECT are
// never let through, and what is not listed matches no rule.
var knownMethods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// AllMethods are the known ones as an Allow field lists them.
var AllMethods = strings.Join(knownMethods[:], ", ")

const everyMethod methodSet = 1<<len(knownMethods) - 1

// KnownMethod reports whether a rule may be about method.
func KnownMethod(method string) bool { return methodBit(method) != 0 }

func methodBit(method string) methodSet {
	if i := slices.Index(knownMethods[:], method); i >= 0 {
		return 1 << i
	}
	return 0
}

// compileMethods tells a missing list, which means all methods, from an empty
// one, which never means everything.
func compileMethods(names []string) (methodSet, error) {
	if names == nil {
		return everyMethod, nil
	}
	if len(names) == 0 {
		return 0, errors.New("methods is an empty list: name the methods, or leave the key out for all of them")
	}
	var set methodSet
	var errs []error
	for i, name := range names {
		bit := methodBit(name)
		if bit == 0 {
			errs = append(errs, fault.At(unknownMethod(name), i))
		}
		set |= bit
	}
	if set&methodBit("GET") != 0 {
		set |= methodBit("HEAD") // the same right, by RFC 9110 section 9.3.2
	}
	return set, errors.Join(errs...)
}

func unknownMethod(name string) error {
	upper := strings.ToUpper(name)
	switch {
	case KnownMethod(upper):
		return fmt.Errorf("method %q: methods are upper case; write %q", name, upper)
	case upper == "TRACE" || upper == "CONNECT":
		return fmt.Errorf("method %q is never let through: take it out", name)
	case name == "*" || upper == "ALL" || upper == "ANY":
		return fmt.Errorf("method %q: leave methods out for all of them", name)
	}
	return fmt.Errorf("method %q is not known: want some of %s", name, strings.Join(knownMethods[:], ", "))
}
