package rules

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"gatehouse/gateway/strict"
)

// Pattern describes paths, as segments of which each is literal, oneSegment or
// anySegments. Upper and lower case differ, and a slash at the end of a pattern
// or path does not count: to a registry, /v2/_catalog/ is /v2/_catalog.
type Pattern []string

const (
	oneSegment  = "*"
	anySegments = "**"

	// maxSegments bounds the work of match, which is at most the product of
	// the segments of both sides.
	maxSegments = 64
)

// ParsePattern reads a pattern, or says why it is none, or can match nothing.
func ParsePattern(text string) (Pattern, error) {
	if err := checkPattern(text); err != nil {
		return nil, fmt.Errorf("path pattern %q: %w", text, err)
	}
	return compact(text), nil
}

// compact returns the segments of text, of which several ** in a row mean no more than one.
func compact(text string) Pattern {
	var p Pattern
	for segment := range segments(text) {
		if segment == anySegments && len(p) > 0 && p[len(p)-1] == anySegments {
			continue
		}
		p = append(p, segment)
	}
	return p
}

func checkPattern(text string) error {
	switch {
	case !strings.HasPrefix(text, "/"):
		return errors.New(`it must begin with "/"; it is matched against whole paths and is no regular expression`)
	case strings.Contains(text, "?"):
		return errors.New(`"?" is not allowed: rules see the path without the query, and * stands for one whole segment`)
	case strings.Contains(text, "%"):
		return errors.New(`"%" is not allowed: rules see the decoded path, so write the character itself`)
	case strings.ContainsAny(text, `\;#`) || !strict.HasOneReading(text):
		return errors.New(`it can match nothing: requests with \ ; # in the path are refused, as are invisible characters and compatibility forms`)
	case !strict.CanonicalPath(text):
		return errors.New(`it can match nothing: requests with empty, "." or ".." segments in the path are refused`)
	case strings.Count(text, "/") > maxSegments:
		return fmt.Errorf("it has more than %d segments", maxSegments)
	}
	for segment := range segments(text) {
		if strings.Contains(segment, "*") && segment != oneSegment && segment != anySegments {
			return fmt.Errorf(`in %q the * is part of a segment; it stands for whole segments only: /*/ for one, /**/ for any number`, segment)
		}
	}
	return nil
}

// HasWildcard reports whether p describes more than one path.
func (p Pattern) HasWildcard() bool {
	return slices.Contains(p, oneSegment) || slices.Contains(p, anySegments)
}

// String returns the pattern as it is written.
func (p Pattern) String() string {
	return "/" + strings.Join(p, "/")
}

// match reports whether p describes path, which must be canonical. After a
// mismatch it is enough to let the last ** take one segment more, because
// whatever an earlier ** could give up the last one could take: no pattern
// makes it backtrack exponentially.
func (p Pattern) match(path string) bool { return p.matchFor(path, nil) }

// matchFor is match for whoever f says that templates stand for; nil for nobody.
func (p Pattern) matchFor(path string, f *fit) bool {
	rest, i := TrimSlashes(path), 0
	retryRest, retry := "", -1
	for rest != "" {
		if i < len(p) && p[i] == anySegments {
			i++
			retryRest, retry = rest, i
			continue
		}
		segment, next, _ := strings.Cut(rest, "/")
		if i < len(p) && (matchSegment(p[i], segment) || f.matches(p[i], segment)) {
			rest, i = next, i+1
			continue
		}
		if retry < 0 {
			return false
		}
		_, retryRest, _ = strings.Cut(retryRest, "/")
		rest, i = retryRest, retry
	}
	return i == len(p) || i == len(p)-1 && p[i] == anySegments
}

// unbounded stands in a path for segments of unknown number; see covers.
const unbounded = "\x00"

func matchSegment(want, got string) bool {
	return want == got || want == oneSegment && got != unbounded
}

// covers reports whether p describes every path that q does. It reads q as a
// path whose wildcards are segments that only wildcards at least as wide match.
func (p Pattern) covers(q Pattern) bool { return p.match(q.asPath()) }

// asPath returns the path that stands for all that p describes; see covers.
func (p Pattern) asPath() string { return strings.ReplaceAll(p.String(), anySegments, unbounded) }

// meets reports whether p describes any path at or below prefix.
func (p Pattern) meets(prefix Pattern) bool {
	for i, segment := range prefix {
		switch {
		case i >= len(p):
			return false
		case p[i] == anySegments:
			return true
		case !matchSegment(p[i], segment):
			return false
		}
	}
	return true
}

// segments yields what stands between the slashes of path.
func segments(path string) iter.Seq[string] {
	if path = TrimSlashes(path); path == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(path, "/")
}

// TrimSlashes returns path without the slash at its beginning and the one at its end.
func TrimSlashes(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
}
