package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"

	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
)

// Variable names the configuration file where --config does not.
const Variable = "GATEHOUSE_CONFIG"

// Find returns the path of the configuration file: the value of the flag
// --config, the one of $GATEHOUSE_CONFIG, or the first usual place that has one.
func Find(flag string) (path string, err error) {
	return searchConfig(flag, "./config.toml", "/etc/gatehouse/config.toml")
}

func searchConfig(flag string, usual ...string) (path string, err error) {
	if flag != "" {
		return flag, nil
	}
	if path := os.Getenv(Variable); path != "" {
		return path, nil
	}
	for _, path := range usual {
		// What exists and cannot be read is for load to complain about:
		// going on to the next place would run with rules nobody meant.
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no configuration file: --config is not given, $%s is not set, and there is neither %s; "+
		"name one with --config, or make one with: gatehouse demo --write-config DIR", Variable, strings.Join(usual, " nor "))
}

// Load reads the configuration file at path and lays the environment and
// flags, which may be nil, over it.
//
// It fails with a [*Error] if the file is not TOML. A
// Config that it returns may still have errors, which build reports, all of them
// at once, together with what only shows when the files that it names are read.
func (k Kinds) Load(path string, flags *pflag.FlagSet) (*Document, error) {
	source, _, err := watch.Read(path, watch.Limits{MaxSize: 1 << 20})
	if err != nil {
		return nil, fault.With("config.unreadable", fmt.Errorf("load configuration: %w", err))
	}
	return k.Parse(path, []byte(source), flags)
}

// Parse is load for a file that has been read.
func (k Kinds) Parse(path string, source []byte, flags *pflag.FlagSet) (*Document, error) {
	if bytes.HasPrefix(source, []byte("\xff\xfe")) || bytes.HasPrefix(source, []byte("\xfe\xff")) {
		at := Place{Name: path, Line: 1, Column: 1}
		return nil, single(at, "the file is in UTF-16, which TOML is not: save it as UTF-8", "config.syntax")
	}
	// Editors on Windows put a byte order mark before the text.
	source = bytes.TrimPrefix(source, []byte("\ufeff"))
	doc, err := k.parseTOML(path, source)
	if err != nil {
		return nil, err
	}
	if len(doc.root.keys) == 0 {
		// An empty file is valid TOML: it is what a reader sees of a file that
		// is just being written.
		return nil, single(doc.start(), "the configuration is empty: it needs at least one [[backend]] and one [[route]]", "config.invalid")
	}
	s := schema{kinds: k, doc: doc, meant: map[*node]string{}}
	s.check()
	s.sound(doc.root, doc.values)
	c := &Document{Settings: Defaults(), kinds: k, Origin: Origin{doc: doc, set: map[string]string{}}, Report: s.report}
	settings, err := c.decode(doc.values)
	if err != nil {
		return nil, err
	}
	if err := c.overlay(settings, flags); err != nil {
		return nil, err
	}
	return c, nil
}

// Compose returns a configuration without a file, of one backend and one route, with the
// settings that the environment and flags, which may be nil, make. The map set has the
// flags that keys of these come from, by the path of the key. Without a certificate the
// default is to listen on loopback.
func (k Kinds) Compose(table Backend, route Route, set map[string]string, flags *pflag.FlagSet) (*Document, error) {
	c := &Document{
		Settings: Defaults(),
		Backends: []Backend{table},
		Routes:   []Route{route},
		kinds:    k,
		Origin:   Origin{set: map[string]string{"tls": "--cert"}},
	}
	maps.Copy(c.Origin.set, set)
	if err := c.overlay(nil, flags); err != nil {
		return nil, err
	}
	if c.Origin.set["listen"] == "" {
		c.Origin.set["listen"] = "--listen"
		if c.TLS == (TLS{}) && !c.InsecurePlaintext {
			c.Listen = []string{"127.0.0.1:5043"} // what plain HTTP may be served on
		}
	}
	return c, nil
}

// decode fills c with the tables of the file that there may be several of, and returns the
// rest, which are settings. What it decodes into has no field that no key is for: a decoder
// would fill that, too.
func (c *Document) decode(values map[string]any) (settings map[string]any, err error) {
	lists := struct {
		Backends []Backend `toml:"backend"`
		Routes   []Route   `toml:"route"`
		Tests    []Test    `toml:"test"`
	}{}
	settings, several := map[string]any{}, map[string]any{}
	for key, value := range values {
		if _, ok := Fields(reflect.TypeOf(lists))[key]; ok {
			several[key] = value
		} else {
			settings[key] = value
		}
	}
	if err := decodeInto(&lists, several); err != nil {
		// The schema said that this cannot happen.
		return nil, single(c.Origin.Start(), err.Error(), "config.invalid")
	}
	c.Backends, c.Routes, c.Tests = lists.Backends, lists.Routes, lists.Tests
	return settings, nil
}

// decodeInto fills the struct that result points to. It fails for keys that this has no
// field for.
func decodeInto(result any, values map[string]any) error {
	options := &mapstructure.DecoderConfig{Result: result}
	exactly(options)
	decoder, err := mapstructure.NewDecoder(options)
	if err != nil {
		return err
	}
	return decoder.Decode(values)
}

// Origin tells where the values of a configuration come from.
type Origin struct {
	doc *tomlFile         // nil without a file
	set map[string]string // for keys not from the file, the variable or flag
}

// At returns where the value at a path of keys and indexes was set. For a value
// that was not set it is where the table begins that lacks it.
func (o Origin) At(path ...any) Place {
	for i := len(path); i > 0; i-- {
		if name, ok := o.set[dotted(path[:i])]; ok {
			return Place{Name: name}
		}
	}
	if o.doc == nil {
		return Place{Name: "command line"}
	}
	return o.doc.place(o.doc.root.at(path...).span)
}

// Start returns the beginning of the file, for what is wrong with all of it.
func (o Origin) Start() Place {
	if o.doc == nil {
		return o.At()
	}
	return o.doc.start()
}

// Has reports whether the table at path has the key in the file.
func (o Origin) Has(key string, path ...any) bool { return o.table(path...).table[key] != nil }

// IsFlawed reports whether a key of the table at path was not understood: what the table
// seems to lack may be what was meant.
func (o Origin) IsFlawed(path ...any) bool { return o.table(path...).flawed }

// table returns the table at path, empty if there is none.
func (o Origin) table(path ...any) *node {
	if o.doc != nil {
		if n := o.doc.root.at(path...); n.table != nil {
			return n
		}
	}
	return newTable(span{})
}

// File returns the path of a file that the value at path names. In a
// configuration file it is relative to that file, elsewhere to the working
// directory.
func (o Origin) File(name string, path ...any) string {
	if name == "" || filepath.IsAbs(name) || o.doc == nil {
		return name
	}
	if _, ok := o.set[dotted(path)]; ok {
		return name
	}
	return filepath.Join(filepath.Dir(o.doc.name), name)
}

// Lead is file for a key that leads to a secret.
func (o Origin) Lead(name Lead, path ...any) Lead {
	return Lead(o.File(name.Reveal(), path...))
}

// dotted joins a path of keys and indexes.
func dotted(path []any) string {
	steps := make([]string, len(path))
	for i, step := range path {
		steps[i] = fmt.Sprint(step)
	}
	return strings.Join(steps, ".")
}
