package main

import (
	"fmt"
	"io"
	"strings"

	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
)

// suggestion is what check --suggest says of one route, as it prints it with -o json.
type suggestion struct {
	Place     config.Place     `json:"at"`
	Route     string           `json:"route"`
	Questions int              `json:"questions"`          // that were put to both, with the same answers; 0 where nothing is suggested
	Obstacle  string           `json:"obstacle,omitempty"` // why nothing is suggested
	Rules     []ruleSuggestion `json:"rules"`
	Otherwise []string         `json:"otherwise"` // requests beside these that are answered otherwise
	TOML      string           `json:"toml"`      // the rules, to be put in place of those of the route; empty where nothing is suggested
}

// ruleSuggestion is what it says of one rule.
type ruleSuggestion struct {
	Name    string   `json:"name"`
	Changed bool     `json:"changed"`
	Why     string   `json:"why,omitempty"`   // it stays as it is
	Taken   []string `json:"taken,omitempty"` // actions that earlier rules take
}

// suggestions returns what can be said of the rules of each route by repositories and
// actions.
func suggestions(a *assemble.Assembly) ([]suggestion, error) {
	list := []suggestion{}
	for i, route := range a.Gateway.Routes {
		s, err := rules.Suggest(route.ForRules())
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", route.Name(), err)
		}
		said := suggestion{
			Place: a.Config.Origin.At("route", i, "path"), Route: route.Name(), Questions: s.Questions, Obstacle: s.Obstacle, Rules: []ruleSuggestion{}, Otherwise: []string{},
		}
		for _, r := range s.Rules {
			said.Rules = append(said.Rules, ruleSuggestion{r.Rule.Name, r.Changed, r.Why, r.Taken})
		}
		for _, d := range s.Differences {
			said.Otherwise = append(said.Otherwise, d.Kind+": "+d.String())
		}
		if s.HasChanges() {
			said.TOML = rulesAsTOML(s, a.Config.Routes[i].Rules)
		}
		list = append(list, said)
	}
	return list, nil
}

// rulesAsTOML writes the rules of a route. Whom they let in stands there as it is written
// in the configuration.
func rulesAsTOML(s *rules.Suggestion, written []config.Rule) string {
	var b strings.Builder
	for i, r := range s.Rules {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case r.Why != "":
			writeComment(&b, "It stays as it is: "+r.Why+".")
		case r.Taken != nil:
			writeComment(&b, "Earlier rules take every "+strings.Join(r.Taken, " and ")+".")
		}
		b.WriteString("[[route.rule]]\n")
		fmt.Fprintf(&b, "name = %s\n", tomlString(r.Rule.Name))
		for _, key := range []struct {
			name   string
			values []string
		}{
			{"methods", r.Rule.Methods}, {"paths", r.Rule.Paths}, {"repositories", r.Rule.Repositories}, {"actions", r.Rule.Actions}, {"immutable_tags", r.Rule.ImmutableTags},
		} {
			if key.values != nil {
				fmt.Fprintf(&b, "%s = %s\n", key.name, tomlStrings(key.values))
			}
		}
		fmt.Fprintf(&b, "require = %s\n", requireAsTOML(written[i].Require))
	}
	return b.String()
}

// commentWidth is the length of the lines of a comment.
const commentWidth = 110

// writeComment writes text as lines of a comment.
func writeComment(b *strings.Builder, text string) {
	for _, line := range wrap(shown.Text(text), commentWidth) {
		b.WriteString("# " + line + "\n")
	}
}

// requireAsTOML writes a value of require: a string, a list, or a table with one key.
func requireAsTOML(value any) string {
	switch value := value.(type) {
	case string:
		return tomlString(value)
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			texts[i] = requireAsTOML(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		for key, list := range value {
			return "{ " + key + " = " + requireAsTOML(list) + " }"
		}
	}
	return fmt.Sprint(value)
}

func tomlStrings(values []string) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = tomlString(value)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// tomlString writes a string without control characters, which are in nothing that rules
// have, as a literal one where it has double quotes or backslashes.
func tomlString(text string) string {
	if strings.ContainsAny(text, `"\`) && !strings.Contains(text, "'") {
		return "'" + text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// printSuggestions writes TOML, with what there is to know in comments.
func printSuggestions(out io.Writer, list []suggestion) error {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		s.write(&b)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (s suggestion) write(b *strings.Builder) {
	head := fmt.Sprintf("Route %s (%s): ", s.Route, s.Place)
	switch {
	case s.TOML != "":
		writeComment(b, head+fmt.Sprintf("%s questions, the same answers. These rules can stand in place of those of the route.", thousands(s.Questions)))
		if len(s.Otherwise) > 0 {
			writeComment(b, "Answered otherwise, and not among the questions:")
		}
		for _, text := range s.Otherwise {
			writeComment(b, "- "+text)
		}
		b.WriteString("\n" + s.TOML)
		return
	case s.Obstacle != "":
		writeComment(b, head+"nothing is suggested: "+s.Obstacle+".")
	default:
		writeComment(b, head+"nothing is suggested.")
	}
	for _, r := range s.Rules {
		if r.Why != "" {
			writeComment(b, fmt.Sprintf("- rule %q stays as it is: %s.", r.Name, r.Why))
		} else if s.Obstacle == "" {
			writeComment(b, fmt.Sprintf("- rule %q has repositories or actions already.", r.Name))
		}
	}
}

// thousands returns n with a comma before each three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
