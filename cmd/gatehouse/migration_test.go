package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
)

// The tests in this file hold the guide for users of Apache to what it says, row by
// row. What differs in answers to requests is tried in migration_answers_test.go.

const migrationGuide = "docs/migrating-from-apache.md"

// guideRows returns the rows of all tables of the guide that begin with a head.
func guideRows(t *testing.T, head ...string) (rows [][]string) {
	t.Helper()
	page := readRoot(t, migrationGuide)
	first := "| " + strings.Join(head, " | ") + " |"
	parts := strings.Split(page, "\n"+first)
	for _, part := range parts[1:] {
		rows = append(rows, tableRows(t, first+part, head...)...)
	}
	if len(rows) == 0 {
		t.Fatalf("the guide has no table %q", first)
	}
	return rows
}

// Every directive leads to keys that exist and to values that are taken, or says that
// there is nothing to write, and why.
func TestMigrationOfEveryDirective(t *testing.T) {
	t.Parallel()
	g := newGuide(t)
	rows := slices.Concat(guideRows(t, "directive", "here"), guideRows(t, "directive", "key"), guideRows(t, "httpd.conf", "config.toml"))
	for _, row := range rows {
		here := row[1]
		switch {
		case here == "—":
			if len(row) < 3 || row[2] == "" {
				t.Errorf("%s is not offered, and the guide does not say why", row[0])
			}
		case strings.HasPrefix(here, "leave out"), strings.HasPrefix(here, "not offered"), here == "referrals are never followed":
		case len(codes(here)) == 0:
			t.Errorf("%s: %q names no key", row[0], here)
		default:
			for _, code := range codes(here) {
				if !g.knows(code) {
					t.Errorf("%s: nothing is known of %s", row[0], code)
				}
			}
		}
	}
}

// What the recipe's administrators have to take out of httpd.conf is in the guide.
func TestMigrationNamesWhatTheRecipeHas(t *testing.T) {
	page := readRoot(t, migrationGuide)
	for line := range strings.Lines(readRoot(t, "cmd/gatehouse/testdata/apache-recipe.conf")) {
		word, _, _ := strings.Cut(strings.Trim(line, " \t</>\n"), " ")
		word = strings.Trim(word, "<>")
		if word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		if !regexp.MustCompile("(?i)`[^`]*" + regexp.QuoteMeta(word) + "[^`]*`").MatchString(page) {
			t.Errorf("the guide does not say what becomes of %s", strings.TrimSpace(line))
		}
	}
}

// guide knows what may stand in the second column of its tables.
type guide struct {
	t    *testing.T
	dir  string
	keys map[string]bool // of the configuration, and its tables
}

func newGuide(t *testing.T) *guide {
	t.Helper()
	g := &guide{t: t, dir: documentFolder(t), keys: map[string]bool{}}
	for _, table := range newReference(t).tables {
		g.keys["["+table.path()+"]"], g.keys["[["+table.path()+"]]"] = !table.lists, table.lists
		for _, k := range table.keys {
			g.keys[k.name] = true
		}
	}
	return g
}

func (g *guide) knows(code string) bool {
	switch {
	case g.keys[code], slices.Contains([]string{"pull", "push", "member", "/metrics", "/status"}, code):
		return true
	case strings.HasPrefix(code, "gatehouse "):
		return tryCommand(strings.TrimPrefix(code, "gatehouse "), false) == nil
	case regexp.MustCompile(`^[a-z_]+ = `).MatchString(code):
		return g.isAssignment(code)
	}
	if !strings.HasPrefix(code, "{") {
		code = fmt.Sprintf("'%s'", strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(code, `"`), `"`), `\"`, `"`))
	}
	return g.loads(shownRule("require = ["+code+"]", ""))
}

// assignmentPlaces are where in a configuration a key may be.
var assignmentPlaces = []string{
	"the top level", "[[route]]", `[[backend]] with type = "ldap"`, `[[backend]] with type = "htpasswd"`, "[[route.rule]]", "[cache]", "[timeouts]", "[limits]",
}

// otherwise has the assignments for which something else of the frame has to change.
var otherwise = map[string]*strings.Replacer{
	"listen":             strings.NewReplacer("listen = [\":5043\"]\n", "insecure_plaintext = true\nlisten = [\":5043\"]\n"),
	"proxy_protocol":     strings.NewReplacer("proxy_protocol = true\n", "trusted_proxies = [\"10.0.0.5\"]\nproxy_protocol = true\n"),
	"start_tls":          strings.NewReplacer("ldaps://", "ldap://"),
	"insecure_plaintext": strings.NewReplacer("ldaps://", "ldap://"),
	"bind_template":      strings.NewReplacer("bind_dn = \"cn=gatehouse,dc=corp,dc=example\"\nbind_password_file = \"ldap-password\"\n", ""),
	"on_wrong_password":  strings.NewReplacer(`{ backend = "local" }`, `{ backend = "local", on_wrong_password = "next" }`),
	"on_unavailable":     strings.NewReplacer(`{ backend = "local" }`, `{ backend = "local", on_unavailable = "next" }`),
}

func (g *guide) isAssignment(code string) bool {
	key, value, _ := strings.Cut(code, " = ")
	if key == "type" {
		_, known := assemble.Kinds()[strings.Trim(value, `"`)]
		return known
	}
	line := code + "\n"
	change := otherwise[key]
	if strings.HasPrefix(key, "on_") { // which the change writes
		line = ""
	}
	for _, place := range assignmentPlaces {
		fragment := "# in " + place + "\n" + line
		if strings.HasPrefix(place, "[") && !strings.HasPrefix(place, "[[") {
			fragment = place + "\n" + line
		}
		config, err := framed(fragment)
		if err != nil {
			g.t.Fatal(err)
		}
		if change != nil {
			config = change.Replace(config)
		}
		if g.loads(withoutEarlier(config, key, line)) {
			return true
		}
	}
	return false
}

// withoutEarlier returns a configuration in which line is the only one of its table that
// sets a key.
func withoutEarlier(config, key, line string) string {
	at := strings.LastIndex(config, line)
	if at < 0 || line == "" {
		return config
	}
	before, after := config[:at], config[at+len(line):]
	table := strings.LastIndex(before, "\n[")
	set := regexp.MustCompile(`(?m)^` + key + ` = .*\n`)
	return before[:max(table, 0)] + set.ReplaceAllString(before[max(table, 0):], "") + line + after
}

func (g *guide) loads(config string) bool {
	errs, _ := problemsOf(g.t, g.dir, config)
	return len(errs) == 0
}

// The second column of the part on compose files is what deploy/compose.yaml has.
func TestMigrationOfTheComposeFile(t *testing.T) {
	compose := readRoot(t, "deploy/compose.yaml")
	for _, row := range guideRows(t, "compose file of the recipe") {
		for _, code := range codes(row[1]) {
			if !strings.Contains(compose, code) {
				t.Errorf("%s: deploy/compose.yaml has no %s", row[0], code)
			}
		}
		if key, _, _ := strings.Cut(codes(row[0])[0], ":"); strings.HasPrefix(row[1], "leave out") && key != "ports" && strings.Contains(compose, key+":") {
			t.Errorf("%s is to be left out, and deploy/compose.yaml has it", row[0])
		}
	}
}
