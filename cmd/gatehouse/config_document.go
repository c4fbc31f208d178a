package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// node is a value of a TOML document that knows where it stands.
type node struct {
	kind unstable.Kind // Table (of any notation), Array or a scalar
	span span          // of the key; of an element of a list, of the element
	text string        // of a scalar

	keys  []string // of a table, in the order of the file
	table map[string]*node
	items []*node

	// flawed is set on a table in which a key was not understood. That the key
	// it was meant for is missing is then not worth a second error.
	flawed bool
}

// hasFlaw reports whether n or a table in it is flawed.
func (n *node) hasFlaw() bool {
	for _, child := range n.table {
		if child.hasFlaw() {
			return true
		}
	}
	return n.flawed || slices.ContainsFunc(n.items, (*node).hasFlaw)
}

// span is a range of bytes of a document.
type span struct{ offset, length int }

// document is a parsed TOML file.
type document struct {
	name   string
	source []byte
	root   *node
}

// parseDocument checks the syntax of source and finds out where everything
// stands. Decoders do not tell where a key was, and fold the case of keys.
func parseDocument(name string, source []byte) (*document, error) {
	d := &document{name: name, source: source, root: newTable(span{})}
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(source, new(map[string]any)); errors.As(err, &syntax) {
		line, column := syntax.Position()
		at := d.position(line, column)
		return nil, report{{place: at, Message: syntaxAdvice(strings.TrimPrefix(syntax.Error(), "toml: ")), Code: "config.syntax"}}.err()
	} else if err != nil {
		return nil, report{{place: d.start(), Message: err.Error(), Code: "config.syntax"}}.err()
	}
	var p unstable.Parser
	p.Reset(source)
	table := d.root
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = d.root.open(e)
		case unstable.KeyValue:
			table.assign(e)
		}
	}
	return d, p.Error()
}

// syntaxAdvice adds to the message of the parser what to do, for the mistakes of
// those who do not write TOML every day.
func syntaxAdvice(message string) string {
	switch {
	case strings.HasSuffix(message, "at start of value"):
		// Without the character, which the parser takes for a byte of it.
		return `no value begins like this: text stands in straight double quotes, a switch is true or false`
	case strings.HasPrefix(message, "expected '=' after key"):
		return message + `: write KEY = VALUE, with text in double quotes`
	case strings.HasSuffix(message, " already exists as an array of tables"):
		return message + ": each of these begins with double brackets, such as [[route.rule]]"
	case strings.HasSuffix(message, " already exists"):
		return message + ": write it once, with all its keys"
	}
	return message
}

func newTable(s span) *node {
	return &node{kind: unstable.Table, span: s, table: map[string]*node{}}
}

func spanOf(n *unstable.Node) span { return span{int(n.Raw.Offset), int(n.Raw.Length)} }

// open returns the table that a header such as [a.b] or [[a.b]] begins.
func (n *node) open(header *unstable.Node) *node {
	table := n
	for key := header.Key(); key.Next(); {
		k := key.Node()
		if key.IsLast() && header.Kind == unstable.ArrayTable {
			list := table.child(string(k.Data), &node{kind: unstable.Array, span: spanOf(k)})
			item := newTable(spanOf(k))
			list.items = append(list.items, item)
			return item
		}
		table = table.child(string(k.Data), newTable(spanOf(k))).last()
	}
	return table
}

// assign adds the value of the expression key = value, whose key may be dotted.
func (n *node) assign(e *unstable.Node) {
	table := n
	for key := e.Key(); key.Next(); {
		k := key.Node()
		if key.IsLast() {
			table.child(string(k.Data), valueOf(e.Value(), spanOf(k)))
			return
		}
		table = table.child(string(k.Data), newTable(spanOf(k))).last()
	}
}

// child returns the value of key, which becomes fresh where there is none yet.
func (n *node) child(key string, fresh *node) *node {
	if old, ok := n.table[key]; ok {
		return old
	}
	if n.table == nil {
		n.table = map[string]*node{}
	}
	n.table[key] = fresh
	n.keys = append(n.keys, key)
	return fresh
}

// last returns the table that a key is about when it passes through n: of a
// list, the last one.
func (n *node) last() *node {
	if n.kind == unstable.Array && len(n.items) > 0 {
		return n.items[len(n.items)-1]
	}
	return n
}

// valueOf copies a value, which is said to stand at s unless it is an element
// of a list with a place of its own.
func valueOf(v *unstable.Node, s span) *node {
	n := &node{kind: v.Kind, span: s}
	switch v.Kind {
	case unstable.InlineTable:
		n = newTable(s)
		for it := v.Children(); it.Next(); {
			n.assign(it.Node())
		}
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			n.items = append(n.items, valueOf(it.Node(), elementSpan(it.Node(), s)))
		}
	default:
		n.text = string(v.Data)
	}
	return n
}

// elementSpan returns where an element of a list stands, as far as the parser
// says: of a list or table, where the first thing in it stands.
func elementSpan(v *unstable.Node, list span) span {
	for ; v.Valid(); v = v.Child() {
		if v.Kind == unstable.KeyValue {
			if key := v.Key(); key.Next() {
				return spanOf(key.Node())
			}
		}
		if v.Raw.Length > 0 {
			return spanOf(v)
		}
	}
	return list
}

// at returns the node at a path of keys and indexes, or the innermost one on
// the way to it that exists.
func (n *node) at(path ...any) *node {
	for _, step := range path {
		var next *node
		switch s := step.(type) {
		case string:
			next = n.table[s]
		case int:
			if s >= 0 && s < len(n.items) {
				next = n.items[s]
			}
		}
		if next == nil {
			break
		}
		n = next
	}
	return n
}

// start returns the beginning of the document, for what is wrong with all of it.
func (d *document) start() place { return place{Name: d.name, Line: 1, Column: 1} }

// place returns where s is.
func (d *document) place(s span) place {
	before := d.source[:min(s.offset, len(d.source))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	p := d.position(bytes.Count(before, []byte("\n"))+1, len(before)-begin+1)
	end := min(s.offset+s.length, len(d.source))
	p.width = utf8.RuneCount(d.source[len(before):end])
	return p
}

// position returns the place of a byte given by line and byte column; a place
// counts characters, as editors do.
func (d *document) position(line, column int) place {
	source := d.source
	for range line - 1 {
		_, source, _ = bytes.Cut(source, []byte("\n"))
	}
	source, _, _ = bytes.Cut(source, []byte("\n"))
	return place{
		Name:   d.name,
		Line:   line,
		Column: utf8.RuneCount(source[:min(column-1, len(source))]) + 1,
		source: redactLine(strings.TrimSuffix(string(source), "\r")),
	}
}
