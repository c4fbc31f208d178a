package rules

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gatehouse/backend/fault"
)

// tagPatterns say which tags stay what they are. The last pattern that matches a tag
// counts.
type tagPatterns []tagPattern

type tagPattern struct {
	parts   []string // what stands between the stars
	mutable bool     // it takes tags out again
}

// referrersTag is a tag of tools that keep there what belongs to the image of that digest:
// signatures, or a list that grows. It is no name that somebody chose.
var referrersTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// match reports whether tag is kept. An empty text is no tag: the request names a digest.
func (p tagPatterns) match(tag string) bool {
	if tag == "" {
		return false
	}
	kept := false
	for i := range p {
		if p[i].match(tag) {
			kept = !p[i].mutable
		}
	}
	return kept && !referrersTag.MatchString(tag)
}

func (p tagPattern) match(tag string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(p.parts) == 1 {
		return tag == first
	}
	if len(tag) < len(first)+len(last) || !strings.HasPrefix(tag, first) || !strings.HasSuffix(tag, last) {
		return false
	}
	rest := tag[len(first) : len(tag)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		_, behind, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = behind
	}
	return true
}

var tagPatternText = regexp.MustCompile(`^!?[A-Za-z0-9_.*-]+$`)

// CheckImmutableTags reports what is wrong with patterns of tags. The errors have the path of
// the pattern; see [fault.Path].
func CheckImmutableTags(patterns []string) error {
	_, err := compileTags(patterns)
	return err
}

// compileTags reads [Rule.ImmutableTags], or says why a pattern is none.
func compileTags(texts []string) (tagPatterns, error) {
	if texts != nil && len(texts) == 0 {
		return nil, fault.At(errors.New(`immutable_tags is an empty list: name the tags, such as "v*", or leave the key out`), "immutable_tags")
	}
	var patterns tagPatterns
	var errs []error
	for i, text := range texts {
		name, mutable := strings.CutPrefix(text, "!")
		var err error
		switch {
		case !tagPatternText.MatchString(text):
			err = fmt.Errorf("%q matches no tag: write letters, digits, _, - and ., * for any of them, and ! before a pattern that takes tags out again", text)
		case i == 0 && mutable:
			err = fmt.Errorf("%q takes tags out of none: write it behind the pattern that it is an exception of", text)
		}
		errs = append(errs, fault.At(err, "immutable_tags", i))
		patterns = append(patterns, tagPattern{parts: strings.Split(name, "*"), mutable: mutable})
	}
	return patterns, errors.Join(errs...)
}

// KeepsTags reports whether some tags are immutable in requests that the rule of that name
// decides.
func (p *Policy) KeepsTags(rule string) bool { return len(p.immutable(rule)) > 0 }

// IsImmutable reports whether tag is, in requests that the rule of that name decides.
func (p *Policy) IsImmutable(rule, tag string) bool { return p.immutable(rule).match(tag) }

// immutable returns the patterns of the rule, and those of the route where it has none.
func (p *Policy) immutable(rule string) tagPatterns {
	for i := range p.rules {
		if p.rules[i].Name == rule && p.rules[i].immutable != nil {
			return p.rules[i].immutable
		}
	}
	return p.tags
}
