package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/strict"
)

// BuiltinRule is the [Decision.Rule] of the rule that every policy ends with:
// GET and HEAD of the root of a registry, such as /v2/, need a valid user. Clients
// log in there, so that without it rules with paths would lock out "docker login".
const BuiltinRule = "(built-in)"

// rule is a [Rule] in the form that requests are compared with.
type rule struct {
	Rule
	methods   methodSet
	paths     []Pattern   // empty for all
	immutable tagPatterns // nil for those of the route

	require Requirement
	wants   string // require in words that a client may see
	usesIP  bool
}

func (r *rule) coversMethod(method methodSet) bool {
	return r.methods&method != 0
}

func (r *rule) coversPath(path string) bool {
	if len(r.paths) == 0 {
		return true
	}
	return slices.ContainsFunc(r.paths, func(p Pattern) bool { return p.match(path) })
}

// NewPolicy compiles the rules of r. It reports everything that is wrong with
// them at once.
func NewPolicy(r Route) (*Policy, error) {
	if len(r.Rules) == 0 {
		return nil, fmt.Errorf("route %q has no rules: nobody could use it; add at least one [[route.rule]]", r.Path)
	}
	p := &Policy{route: r, registry: r.RegistryRoot()}
	// Whoever keeps a Policy to explain a decision later keeps no more.
	p.route.Backend = nil
	tags, err := compileTags(r.ImmutableTags)
	p.tags = tags
	errs := []error{r.CheckRegistry(), err}
	for i, from := range r.Rules {
		c, err := compileRule(from, r)
		if err == nil {
			err = CheckNamedOnce(r.Rules, i)
		}
		if err != nil {
			errs = append(errs, fault.At(fmt.Errorf("%s: %w", describeRule(i, from), err), "rule", i))
		}
		p.rules = append(p.rules, c)
		p.groups = append(p.groups, groupsIn(c.require)...)
	}
	if p.registry != "" {
		p.rules = append(p.rules, builtinRule(p.registry))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

func describeRule(i int, r Rule) string {
	text := fmt.Sprintf("rule %d", i+1)
	if r.Name != "" {
		text = fmt.Sprintf("rule %q", r.Name)
	}
	if r.Position != "" {
		text = r.Position + ": " + text
	}
	return text
}

func builtinRule(root string) rule {
	return rule{
		Rule:    Rule{Name: BuiltinRule, Methods: []string{"GET"}, Paths: []string{root}, Require: validUser{}},
		methods: methodBit("GET") | methodBit("HEAD"),
		paths:   []Pattern{slices.Collect(segments(root))},
		require: validUser{},
		wants:   validUser{}.String(),
	}
}

// CheckRule returns everything that is wrong with a rule of a route by itself, each with
// the path of its value in the rule; see [fault.Path].
func CheckRule(r Rule, route Route) error {
	_, err := compileRule(r, route)
	return err
}

func compileRule(from Rule, route Route) (rule, error) {
	methods, errMethods := compileMethods(from.Methods)
	paths, errPaths := compilePaths(from.Paths, route)
	require, errRequire := bindNames(from.Require, route)
	tags, errTags := compileTags(from.ImmutableTags)
	err := errors.Join(fault.At(checkRuleName(from.Name), "name"), fault.At(errMethods, "methods"), fault.At(errPaths, "paths"), fault.At(errRequire, "require"), errTags)
	if err != nil {
		return rule{}, err
	}
	c := rule{Rule: from, methods: methods, paths: paths, immutable: tags, require: require, wants: clientWords(require)}
	leaves(require, func(leaf Requirement) {
		if _, ok := leaf.(network); ok {
			c.usesIP = true
		}
	})
	return c, nil
}

func checkRuleName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("it has no name: logs and refusals need one")
	case strict.HasControl(name):
		return errors.New("its name has control characters")
	case name == BuiltinRule:
		return errors.New("the name is taken by a rule that every route has")
	}
	return nil
}

// CheckNamedOnce reports why the one of the rules of a route at index i cannot have its
// name, which an earlier one has.
func CheckNamedOnce(rules []Rule, i int) error {
	name := rules[i].Name
	if slices.ContainsFunc(rules[:i], func(earlier Rule) bool { return earlier.Name == name }) {
		return fmt.Errorf("another rule of the route has the same name %q: names stand in logs and refusals and must differ", name)
	}
	return nil
}

func compilePaths(texts []string, route Route) ([]Pattern, error) {
	if texts == nil {
		return nil, nil
	}
	if len(texts) == 0 {
		return nil, errors.New("paths is an empty list: name the paths, or leave the key out for all of them")
	}
	var paths []Pattern
	var errs []error
	for i, text := range texts {
		p, err := ParsePattern(text)
		if meant := route.RegistryRoot() + text; err != nil && !strings.HasPrefix(text, "/") && checkPattern(meant) == nil {
			err = fmt.Errorf("%w; write %q", err, meant)
		}
		paths, errs = append(paths, p), append(errs, fault.At(err, i))
	}
	return paths, errors.Join(errs...)
}

// clientWords describes r without the distinguished names in it, of which it
// keeps the first value: the structure of a directory is no client's business.
func clientWords(r Requirement) string {
	short, err := r.rename(func(p principal) (principal, error) {
		rdn, _, isDN := strings.Cut(p.name, ",")
		if _, value, ok := strings.Cut(rdn, "="); ok && isDN {
			p.name = value
		}
		return p, nil
	})
	if err != nil {
		return ""
	}
	return short.String()
}
