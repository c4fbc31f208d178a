package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"gatehouse/backend/spell"
)

// schema compares a document with the Go types it is to be decoded into and
// reports every difference. Decoders stop at the first wrong type, accept keys
// in any case and know no bounds.
type schema struct {
	kinds  Kinds
	doc    *tomlFile
	report Report

	// undecodable has the values that cannot be decoded. What is said of the rest is
	// said as if these were not there; see [schema.sound].
	undecodable []*node

	// meant has the keys that differ by their case alone from one that is known, and is
	// not there. What is said of the rest is said as if they were that one.
	meant map[*node]string
}

// check compares the whole document with [Document].
func (s *schema) check() { s.table(s.doc.root, "", Fields(reflect.TypeFor[Document]())) }

// table checks the keys of n, whose header is name and whose keys may be those
// of known.
func (s *schema) table(n *node, name string, known map[string]reflect.StructField) {
	for _, key := range n.keys {
		child := n.table[key]
		if f, ok := known[key]; ok {
			s.value(child, strings.TrimPrefix(name+"."+key, "."), f)
			n.flawed = n.flawed || s.isUndecodable(child)
			continue
		}
		n.flawed = true
		s.report.Codef("config.unknown_key", s.doc.place(child.span), fmt.Sprintf("unknown key %q%s", key, keyAdvice(key, name, slices.Sorted(maps.Keys(known)))))
		lower := strings.ToLower(key)
		if f, ok := known[lower]; ok && n.table[lower] == nil {
			s.meant[child] = lower
			s.value(child, strings.TrimPrefix(name+"."+lower, "."), f)
		} else {
			s.undecodable = append(s.undecodable, child)
		}
	}
}

// keyAdvice says what to do about a key that the table name does not have.
func keyAdvice(key, name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, key) {
			return fmt.Sprintf(": keys are case-sensitive; write %q", k)
		}
	}
	if slices.Contains(known, key+"_file") {
		return fmt.Sprintf(": the configuration holds no secrets itself; name a file with %s_file", key)
	}
	if advice := placeAdvice(key, name); advice != "" {
		return advice
	}
	if hint := spell.DidYouMean(key, known); hint != "" {
		return hint
	}
	return "; known here: " + strings.Join(known, ", ")
}

// placeAdvice says where a key belongs that the table name does not have, if
// another table has it.
func placeAdvice(key, name string) string {
	const belongs = "in TOML a key belongs to the table above it; move it"
	_, ofConfig := Fields(reflect.TypeFor[Document]())[key]
	_, ofRoute := Fields(reflect.TypeFor[Route]())[key]
	_, ofRule := Fields(reflect.TypeFor[Rule]())[key]
	switch {
	case name == "route.rule" && ofRoute && key != "path": // which is rather meant for paths
		return " in [[route.rule]]: " + belongs + " up, before the first [[route.rule]]"
	case name == "route" && ofRule && key != "name":
		return " in [[route]]: " + belongs + " into a [[route.rule]]"
	case name == "" && key == "rule":
		return ": write [[route.rule]], below the [[route]] that it is for"
	case ofConfig:
		return fmt.Sprintf(" in [%s]: %s up, before the first [table]", name, belongs)
	}
	return ""
}

// value checks that n can be the value of the field f, whose full key is name.
func (s *schema) value(n *node, name string, f reflect.StructField) {
	switch err := checkLogin(n, f); {
	case err != nil:
		s.wrong(n, "%s: %v", f.Tag.Get("toml"), err)
	case f.Type == reflect.TypeFor[[]Backend]():
		s.tables(n, name, s.backend)
	case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		s.tables(n, name, func(item *node) { s.table(item, name, Fields(f.Type.Elem())) })
	case isTable(f.Type):
		if s.kind(n, unstable.Table, fmt.Sprintf("%s is a table: write [%s] on a line of its own and its keys below", name, name)) {
			s.table(n, name, Fields(f.Type))
		}
	case f.Type.Kind() == reflect.Slice:
		s.list(n, f)
	case f.Type.Kind() == reflect.Interface:
		s.pathOrFalse(n, f)
	default:
		if err := checkScalar(n, f); err != nil {
			s.wrong(n, "%s: %v", f.Tag.Get("toml"), err)
		}
	}
}

// isTable reports whether values of t are tables, not scalars made of a struct.
func isTable(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// isText reports whether values of t are read from a string by themselves.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// wrong reports that n has a type that cannot be decoded.
func (s *schema) wrong(n *node, format string, args ...any) {
	s.undecodable = append(s.undecodable, n)
	s.report.Errorf(s.doc.place(n.span), format, args...)
}

// kind reports whether n is of the kind want, and says advice if it is not.
func (s *schema) kind(n *node, want unstable.Kind, advice string) bool {
	if n.kind == want {
		return true
	}
	s.wrong(n, "%s", advice)
	return false
}

// tables checks a list of tables.
func (s *schema) tables(n *node, name string, check func(*node)) {
	advice := fmt.Sprintf("%s is a list of tables: write [[%s]] on a line of its own and its keys below", name, name)
	if !s.kind(n, unstable.Array, advice) {
		return
	}
	for _, item := range n.items {
		if !s.kind(item, unstable.Table, advice) {
			return // the others are likely to be the same mistake
		}
		check(item)
	}
}

// list checks a list of strings, or of anything.
func (s *schema) list(n *node, f reflect.StructField) {
	key := f.Tag.Get("toml")
	if !s.kind(n, unstable.Array, fmt.Sprintf("%s: want a list in brackets%s", key, listExample(key, n.text, f))) {
		return
	}
	for _, item := range n.items {
		if f.Type.Elem().Kind() == reflect.String && item.kind != unstable.String {
			s.wrong(item, "%s: the list may hold strings only, and this is %s: put it in quotes", key, kindName(item.kind))
		}
	}
}

// listExample returns text as the list that f was probably meant to be.
func listExample(key, text string, f reflect.StructField) string {
	items := []string{text}
	if f.Type.Elem().Kind() == reflect.String { // which have no blanks or commas
		items = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	}
	if text == "" || len(items) == 0 || slices.ContainsFunc(items, func(s string) bool { return quotable(f.Type, s) != s }) {
		return ""
	}
	for i, item := range items {
		items[i] = strconv.Quote(item)
	}
	return fmt.Sprintf(", such as %s = [%s]", key, strings.Join(items, ", "))
}

// backend checks a [[backend]] table, whose keys depend on its type.
func (s *schema) backend(n *node) {
	typ, ok := n.table["type"]
	if !ok {
		s.report.Errorf(s.doc.place(n.span), "this backend has no type: add a line such as type = \"htpasswd\" (known: %s)", strings.Join(slices.Sorted(maps.Keys(s.kinds)), ", "))
		n.flawed = true
		return
	}
	k, ok := s.kinds[typ.text]
	if !ok {
		names := slices.Sorted(maps.Keys(s.kinds))
		s.report.Errorf(s.doc.place(typ.span), "unknown backend type %q (known: %s)%s",
			typ.text, strings.Join(names, ", "), spell.DidYouMean(typ.text, names))
		n.flawed = true
		return
	}
	known := maps.Clone(Fields(reflect.TypeFor[BackendKeys]()))
	maps.Copy(known, Fields(k.Keys))
	s.table(n, "backend", known)
	n.flawed = n.hasFlaw() // what it says of its members, say, would be guesswork
}

// checkScalar checks that n can be the value of a field that holds one value,
// and that the value is within what the field's tags allow.
func checkScalar(n *node, f reflect.StructField) error {
	if f.Type.Kind() == reflect.Pointer { // a key whose absence differs from its zero value
		f.Type = f.Type.Elem()
	}
	switch {
	case f.Type == reflect.TypeFor[Duration]():
		return checkDuration(n, f.Tag)
	case f.Type.Kind() == reflect.String || isText(f.Type):
		if n.kind != unstable.String {
			return fmt.Errorf("want a string, and this is %s: put it in quotes", kindName(n.kind))
		}
		return checkWord(n.text, f.Tag)
	case f.Type.Kind() == reflect.Bool:
		if n.kind != unstable.Bool {
			return fmt.Errorf("want true or false, without quotes")
		}
	case f.Type.Kind() == reflect.Int:
		return checkInteger(n, f.Tag)
	}
	return nil
}

func checkWord(word string, tag reflect.StructTag) error {
	words := strings.Fields(tag.Get("oneof"))
	if len(words) == 0 || slices.Contains(words, word) {
		return nil
	}
	return fmt.Errorf("unknown value %q (known: %s)%s", word, strings.Join(words, ", "), spell.DidYouMean(word, words))
}

func checkInteger(n *node, tag reflect.StructTag) error {
	if n.kind != unstable.Integer {
		return fmt.Errorf("want a whole number without quotes, and this is %s", kindName(n.kind))
	}
	low, _ := strconv.ParseInt(tag.Get("min"), 10, 64)
	high, _ := strconv.ParseInt(tag.Get("max"), 10, 64)
	// Base 0 reads the same notations as TOML: 0x, 0o, 0b, underscores, signs.
	if v, err := strconv.ParseInt(n.text, 0, 64); err != nil || v < low || v > high {
		return fmt.Errorf("%s is out of range: write a number from %d to %d", n.text, low, high)
	}
	return nil
}

func checkDuration(n *node, tag reflect.StructTag) error {
	if n.kind == unstable.Integer || n.kind == unstable.Float {
		return fmt.Errorf("%s of what? a duration has a unit: write \"%ss\" for seconds or \"%sm\" for minutes", n.text, n.text, n.text)
	}
	if n.kind != unstable.String {
		return fmt.Errorf("want a duration such as \"30s\" or \"5m\", and this is %s", kindName(n.kind))
	}
	var d, low, high Duration
	if err := d.UnmarshalText([]byte(n.text)); err != nil {
		return err
	}
	if err := errors.Join(low.UnmarshalText([]byte(tag.Get("min"))), high.UnmarshalText([]byte(tag.Get("max")))); err != nil {
		panic(err) // a tag of this program
	}
	if d.Duration < low.Duration || d.Duration > high.Duration {
		return fmt.Errorf("%s is out of range: write a duration from %s to %s", n.text, tag.Get("min"), tag.Get("max"))
	}
	return nil
}

// kindName names a kind of value as an administrator would.
func kindName(k unstable.Kind) string {
	switch k {
	case unstable.Table, unstable.InlineTable:
		return "a table"
	case unstable.Array:
		return "a list"
	case unstable.String:
		return "a string"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer, unstable.Float:
		return "a number"
	default:
		return "a date or time"
	}
}

// pathOrFalse checks the path of something that may be missing. No word says that it
// is: "none" in quotes would be a path that is wrong.
func (s *schema) pathOrFalse(n *node, f reflect.StructField) {
	if n.kind == unstable.String && strings.HasPrefix(n.text, "/") || n.kind == unstable.Bool && n.text == "false" {
		return
	}
	s.wrong(n, "%s: want a path in quotes, such as \"/v2/\", or false without quotes", f.Tag.Get("toml"))
}
