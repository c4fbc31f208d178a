package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/strict"
)

// BuiltinRule is the [Decision.Rule] of the rule that every policy ends with:
// GET and HEAD of the root of a registry, such as /v2/, need a valid user. Clients
// log in there. The rule decides before all others wherever some rule for pull may let
// in somebody who has logged in, and else where no other rule is about the request.
const BuiltinRule = "(built-in)"

// rule is a [Rule] in the form that requests are compared with. It has actions, or else
// methods.
type rule struct {
	Rule
	methods      methodSet
	paths        []Pattern // empty for all
	actions      actionSet
	repositories []Pattern   // empty for all
	templates    bool        // some of them are
	immutable    tagPatterns // nil for those of the route

	require Requirement
	wants   string // require in words that a client may see
	usesIP  bool
}

// covers says whether r is about q. It is not known of a template before who has logged
// in, or the groups of who are known.
func (r *rule) covers(q *question, who *Subject) Verdict {
	if !r.coversVerb(q) {
		return Denied
	}
	return r.coversPlace(q, who)
}

// coversVerb reports whether r is about what is done.
func (r *rule) coversVerb(q *question) bool {
	if r.actions != 0 {
		return r.actions&q.action != 0
	}
	return r.coversMethod(q.method)
}

// coversPlace says whether r is about what it is done to.
func (r *rule) coversPlace(q *question, who *Subject) Verdict {
	switch {
	case r.actions == 0:
		return verdictOf((len(r.paths) > 0 || !q.closed) && r.coversPath(q.Path))
	case len(r.repositories) > 0 && q.at.Repository == "":
		return Denied
	}
	return r.coversRepository(q.at.Repository, who)
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
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.places = slices.ContainsFunc(r.Rules, Rule.hasPlace)
	if p.registry != "" {
		p.rules = append(p.rules, builtinRule(p.registry))
	}
	p.index, p.namesTags = newIndex(p.rules), p.findsTags()
	p.logins = p.loginRules()
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
	c := rule{Rule: from}
	require, errRequire := bindNames(from.Require, route)
	tags, errTags := compileTags(from.ImmutableTags)
	err := errors.Join(fault.At(checkRuleName(from.Name), "name"), c.compileAbout(route), fault.At(errRequire, "require"), errTags)
	if err != nil {
		return rule{}, err
	}
	c.immutable, c.require, c.wants = tags, require, clientWords(require)
	leaves(require, func(leaf Requirement) {
		if _, ok := leaf.(network); ok {
			c.usesIP = true
		}
	})
	return c, nil
}

// compileAbout reads which requests r is about.
func (r *rule) compileAbout(route Route) error {
	if !r.ByAction() {
		var errMethods, errPaths error
		r.methods, errMethods = compileMethods(r.Methods)
		r.paths, errPaths = compilePaths(r.Paths, route)
		return errors.Join(fault.At(errMethods, "methods"), fault.At(errPaths, "paths"))
	}
	var errActions, errRepositories error
	r.actions, errActions = compileActions(r.Actions)
	r.repositories, errRepositories = compileRepositories(r.Repositories)
	r.templates = slices.ContainsFunc(r.repositories, Pattern.isTemplate)
	return errors.Join(r.checkOneWay(), r.checkWholeRegistry(route), fault.At(errActions, "actions"), fault.At(errRepositories, "repositories"))
}

// TwoWays is the error of a rule that says by two keys which requests it is about.
type TwoWays struct{ text string }

// Error implements error.
func (e *TwoWays) Error() string { return e.text }

// checkOneWay refuses a rule that says twice which requests it is about.
func (r Rule) checkOneWay() error {
	const keep = " both say which requests it is about: keep one of them"
	var errs []error
	if r.Actions != nil && r.Methods != nil {
		errs = append(errs, fault.At(&TwoWays{"actions and methods" + keep}, "actions"))
	}
	if r.Repositories != nil && r.Paths != nil {
		errs = append(errs, fault.At(&TwoWays{"repositories and paths" + keep}, "repositories"))
	}
	switch {
	case errs != nil:
	case r.Methods != nil:
		return fault.At(&TwoWays{"repositories and methods do not go together: write actions in place of methods"}, "methods")
	case r.Paths != nil:
		return fault.At(&TwoWays{"actions and paths do not go together: write repositories in place of paths"}, "paths")
	}
	return errors.Join(errs...)
}

// checkWholeRegistry refuses actions where they can be about nothing.
func (r Rule) checkWholeRegistry(route Route) error {
	switch {
	case route.RegistryRoot() == "":
		key := "actions"
		if r.Repositories != nil {
			key = "repositories"
		}
		return fault.At(fmt.Errorf("%s: the route leads to no registry: set registry in the route, or write methods and paths", key), key)
	case r.Repositories != nil && slices.Contains(r.Actions, string(oci.ListCatalog)):
		return fault.At(errors.New(`actions: "catalog" is about the whole registry: leave repositories out, its entries are filtered by the rules for pull`), "actions")
	}
	return nil
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
