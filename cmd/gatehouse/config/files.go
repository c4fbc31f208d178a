package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// FileScope says which of the files that a configuration names are meant.
type FileScope int

const (
	Every FileScope = iota // all of them

	// Unfollowed are those that nothing but a reload reads again: no backend, and not
	// the listeners, which follow their certificate.
	Unfollowed
)

// NamedFiles returns the paths of the files that make a difference to what is built
// from c: its own and those that it names. A file is among the unfollowed if any key
// that names it is.
func (c *Document) NamedFiles(scope FileScope) []string {
	var files []string
	if name := c.File(); name != "" {
		files = append(files, name)
	}
	settings := c.Settings
	if scope == Unfollowed {
		settings.TLS = TLS{}
	}
	files = append(files, c.filesIn(reflect.ValueOf(settings))...)
	for i := range c.Backends {
		files = append(files, c.FilesOf(i, scope)...)
	}
	for i, r := range c.Routes {
		files = append(files, c.filesIn(reflect.ValueOf(r), "route", i)...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// FilesOf returns the files that the backend at index i names.
func (c *Document) FilesOf(i int, scope FileScope) []string {
	b := c.Backends[i]
	var files []string
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if scope == Unfollowed && slices.Contains(c.kinds[b.Type()].Follows, key) {
			continue
		}
		if text, ok := b[key].(string); ok {
			files = append(files, c.fileAt(text, "backend", i, key)...)
		}
	}
	return files
}

// filesIn returns the files that the fields of v, a struct, name. Its keys are at
// path.
func (c *Document) filesIn(v reflect.Value, path ...any) []string {
	var files []string
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("written") != "" { // by the gateway, which would follow itself
			continue
		}
		at := append(slices.Clone(path), tag.Get("toml"))
		switch field := v.Field(i); field.Kind() {
		case reflect.String:
			files = append(files, c.fileAt(field.String(), at...)...)
		case reflect.Struct:
			files = append(files, c.filesIn(field, at...)...)
		}
	}
	return files
}

// fileAt returns the file that the value at path names, if its key is one of those
// that name files to read.
func (c *Document) fileAt(value string, path ...any) []string {
	key, _ := path[len(path)-1].(string)
	switch {
	case value == "":
		return nil
	case strings.HasSuffix(key, "_file"):
		return []string{c.Origin.File(value, path...)}
	case strings.HasSuffix(key, "_credential"):
		return []string{filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), filepath.Base(value))}
	}
	return nil
}

// File returns the path of the file that c was read from, empty if there is none.
func (c *Document) File() string {
	if c.Origin.doc == nil {
		return ""
	}
	return c.Origin.doc.name
}

// AdminSocket returns the path of the socket, empty for none.
func (c *Document) AdminSocket() string {
	path := c.Origin.File(c.Admin.Socket, "admin", "socket")
	if full, err := filepath.Abs(path); err == nil && path != "" {
		return full
	}
	return path
}

// Hash returns a short text that differs for configurations that differ, in a comment
// at least: replicas that show another one have not been told the same.
func (c *Document) Hash() string {
	h := sha256.New()
	if c.Origin.doc != nil {
		h.Write(c.Origin.doc.source)
	}
	fmt.Fprintf(h, "%#v", c.Settings) // what variables and flags have made of it
	return hex.EncodeToString(h.Sum(nil)[:6])
}
