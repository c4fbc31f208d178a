package htpasswd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// groups are the groups of each user, by the user's name.
type groups struct {
	of       map[string][]string
	names    []string         // of all groups, also of those without members
	lines    map[string][]int // where each of these stands
	warnings []string
}

// parseGroups reads a file as Apache's mod_authz_groupfile does: GROUP: NAME
// NAME…, names with blanks in quotes. A backslash at the end of a line joins it
// with the next one. A group with several lines has the members of all of them.
// Names of groups are equal whatever the case of their ASCII letters. A file of comments
// alone has no groups yet; one with nothing in it may be one that is being written.
func parseGroups(file, text string) (*groups, error) {
	g := &groups{of: make(map[string][]string), lines: make(map[string][]int)}
	var bad, shapeless, commas list
	number := 0
	text = strings.TrimPrefix(text, "\ufeff")
	empty := strings.Trim(text, blanks) == ""
	for text != "" {
		var line string
		first := number + 1
		line, text, number = logicalLine(text, number)
		line = strings.Trim(line, blanks)
		if line == "" || line[0] == '#' {
			continue
		}
		name, members, ok := strings.Cut(line, ":")
		if !ok {
			shapeless.add(fmt.Sprintf("%s:%d", file, first))
			continue
		}
		// Apache takes all colons there for one.
		if err := g.add(first, name, strings.TrimLeft(members, ":")); err != nil {
			bad.add(fmt.Sprintf("%s:%d: %v", file, first, err))
		}
		if strings.Contains(members, ",") {
			commas.add(fmt.Sprintf("%s:%d", file, first))
		}
	}
	switch {
	case len(bad) > 0:
		return nil, bad.err()
	case empty, len(g.names) == 0 && len(shapeless) > 0:
		return nil, fmt.Errorf("%s: there is no group in it: a line is GROUP: NAME NAME…, and GROUP: makes one without members", file)
	}
	if len(shapeless) > 0 {
		g.warnings = append(g.warnings, shapeless.join(", ")+": a line without a colon makes no group")
	}
	if len(commas) > 0 {
		g.warnings = append(g.warnings, commas.join(", ")+": a comma counts as part of a name, as names stand apart by blanks")
	}
	return g, nil
}

// logicalLine takes the next line off text, joined with those that it is
// continued on, and counts them all. Without a line feed behind it a backslash at the
// end is a part of the line.
func logicalLine(text string, number int) (line, rest string, last int) {
	for more := true; more && text != ""; number++ {
		var part string
		var ended bool
		part, text, ended = strings.Cut(text, "\n")
		part = strings.TrimSuffix(part, "\r")
		if more = ended && strings.HasSuffix(part, `\`); more {
			part = strings.TrimSuffix(part, `\`)
		}
		line += part
	}
	return line, text, number
}

// add takes in the line that begins with the one of that number.
func (g *groups) add(number int, name, members string) error {
	group := lower(strings.Trim(name, blanks))
	switch {
	case group == "":
		return errors.New("the name of the group is empty")
	case strings.IndexByte(name, 0) >= 0 || strings.IndexByte(members, 0) >= 0:
		return errors.New("there is a NUL in it")
	}
	if g.lines[group] == nil {
		g.names = append(g.names, group)
	}
	g.lines[group] = append(g.lines[group], number)
	for {
		var user string
		var err error
		members = strings.TrimLeft(members, blanks)
		if members == "" {
			return nil
		}
		user, members, err = word(members)
		if err != nil {
			return err
		}
		if !slices.Contains(g.of[user], group) {
			g.of[user] = append(g.of[user], group)
		}
	}
}

// word takes the first word off s, which begins with one, as Apache's
// ap_getword_conf does: it may be in quotes of either kind, and a backslash
// stands before a backslash, or before a quote inside such quotes.
func word(s string) (word, rest string, err error) {
	quote := s[0]
	if quote != '"' && quote != '\'' {
		end := strings.IndexAny(s, blanks)
		if end < 0 {
			end = len(s)
		}
		return strings.ReplaceAll(s[:end], `\\`, `\`), s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == quote):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("a quote is not closed")
}

// lower maps ASCII letters alone, as Apache does: under Unicode's rules a
// Kelvin sign would become a k, and one group another.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
