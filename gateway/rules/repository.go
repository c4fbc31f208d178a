package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
)

// Segments of a pattern of repositories that stand for whoever asks: the name of the
// user, and that of any group of the user. What is put in their place is never changed
// to fit: two users must not share a repository.
const (
	userSegment  = "{user}"
	groupSegment = "{group}"
)

// parseRepository reads a pattern of names of repositories.
func parseRepository(text string) (Pattern, error) {
	if err := checkRepository(text); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return compact(text), nil
}

// CheckRepository reports why text is no pattern of names of repositories, as rules have it.
func CheckRepository(text string) error {
	_, err := parseRepository(text)
	return err
}

func checkRepository(text string) error {
	switch {
	case text == "":
		return errors.New(`it is empty: write "**" for all repositories`)
	case strings.HasPrefix(text, "/"):
		return fmt.Errorf("the name of a repository stands without the path before it%s", orWrite(withoutRoot(text)))
	case strings.ContainsAny(text, ":@"):
		return errors.New("a tag or digest is no part of a repository's name, and neither is the host: leave them out")
	case strings.HasSuffix(text, "/"):
		return fmt.Errorf("it ends with a slash%s", orWrite(text+anySegments))
	case strings.Count(text, "/") >= maxSegments:
		return fmt.Errorf("it has more than %d segments", maxSegments)
	case strings.Count(text, groupSegment) > 1:
		return fmt.Errorf("%s stands twice, and could be two groups", groupSegment)
	}
	for segment := range strings.SplitSeq(text, "/") {
		if err := checkRepositorySegment(text, segment); err != nil {
			return err
		}
	}
	return nil
}

func checkRepositorySegment(text, segment string) error {
	switch segment {
	case oneSegment, anySegments, userSegment, groupSegment:
		return nil
	}
	for _, template := range []string{userSegment, groupSegment} {
		if strings.Contains(segment, template) {
			apart := strings.Replace(text, segment, setApart(segment, template), 1)
			return fmt.Errorf("%s stands for a whole segment%s", template, orWrite(apart))
		}
	}
	switch lower := strings.ToLower(segment); {
	case strings.ContainsAny(segment, "{}$%"):
		return fmt.Errorf("in %q nothing is put in place of %q: want %s or %s", text, segment, userSegment, groupSegment)
	case strings.Contains(segment, oneSegment):
		return fmt.Errorf("in %q the * is part of a segment; it stands for whole segments only: * for one, ** for any number", segment)
	case lower != segment && oci.IsRepository(lower):
		return errors.New("names of repositories are in lower case")
	case !oci.IsRepository(segment):
		return fmt.Errorf("%q can be no part of a repository's name, which has lower-case letters and digits with single separators between them", segment)
	}
	return nil
}

// setApart makes a segment of its own of a template that is a part of one.
func setApart(segment, template string) string {
	before, after, _ := strings.Cut(segment, template)
	parts := []string{strings.Trim(before, "._-"), template, strings.Trim(after, "._-")}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// withoutRoot returns the pattern of a repository that a path was written for.
func withoutRoot(text string) string {
	rest, ok := oci.Below(oci.DefaultRoot, text)
	if !ok {
		rest = text
	}
	return strings.Trim(rest, "/")
}

// orWrite offers a pattern, unless that is none.
func orWrite(text string) string {
	if checkRepository(text) != nil {
		return ""
	}
	return fmt.Sprintf(": write %q", text)
}

func compileRepositories(texts []string) ([]Pattern, error) {
	if texts == nil {
		return nil, nil
	}
	if len(texts) == 0 {
		return nil, errors.New("repositories is an empty list: name the repositories, or leave the key out for all of them")
	}
	var patterns []Pattern
	var errs []error
	for i, text := range texts {
		p, err := parseRepository(text)
		if err != nil {
			errs = append(errs, fault.At(fmt.Errorf("repositories[%d]: %w", i, err), i))
		}
		patterns = append(patterns, p)
	}
	return patterns, errors.Join(errs...)
}

// isTemplate reports whether what p describes depends on who asks.
func (p Pattern) isTemplate() bool {
	return slices.Contains(p, userSegment) || slices.Contains(p, groupSegment)
}

// fit says which segments of a name the templates of a pattern stand for.
type fit struct {
	who   *Subject
	least Verdict // how sure it has to be
}

// matches reports whether want is a template that stands for got. The names of
// repositories that are asked about are valid, so that a user or group whose name can be
// no segment of one is equal to none.
func (f *fit) matches(want, got string) bool {
	if f == nil || want != userSegment && want != groupSegment {
		return false
	}
	v := Denied
	switch {
	case !f.who.LoggedIn:
		v = NeedsLogin
	case want == groupSegment:
		v = f.who.isIn(got)
	case got == f.who.Identity.User:
		v = Allowed
	}
	return v >= f.least
}

// coversRepository says whether r is about the repository called name. It says shared
// where that is the name of several groups, for which nobody can tell.
func (r *rule) coversRepository(name string, who *Subject) Verdict {
	if len(r.repositories) == 0 {
		return Allowed
	}
	if !r.templates {
		return verdictOf(anyMatches(r.repositories, name, nil))
	}
	if !anyMatches(r.repositories, name, &fit{who, shared}) {
		return Denied
	}
	for least := Allowed; least > shared; least-- {
		if anyMatches(r.repositories, name, &fit{who, least}) {
			return least
		}
	}
	return shared
}

func anyMatches(patterns []Pattern, name string, f *fit) bool {
	for _, p := range patterns {
		if first := p[0]; first[0] != '*' && first[0] != '{' && !strings.HasPrefix(name, first) {
			continue // as most of a thousand rules, which are told apart so in a few nanoseconds
		}
		if p.matchFor(name, f) {
			return true
		}
	}
	return false
}
