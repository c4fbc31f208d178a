package config

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"gatehouse/backend/shown"
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

// tomlFile is a parsed TOML file.
type tomlFile struct {
	name   string
	source []byte
	hidden []hidden // parts of source, in order
	root   *node
	values map[string]any // of the keys of root
}

// parseTOML checks the syntax of source and finds out where everything
// stands. Decoders do not tell where a key was, and fold the case of keys.
func (k Kinds) parseTOML(name string, source []byte) (*tomlFile, error) {
	d := &tomlFile{name: name, source: source, hidden: k.hiddenParts(source), root: newTable(span{})}
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(source, &d.values); errors.As(err, &syntax) {
		if at, advice := d.firstTable(); advice != "" {
			return nil, single(at, advice, "config.syntax")
		}
		return nil, single(d.position(syntax.Position()), d.syntaxAdvice(syntax), "config.syntax")
	} else if err != nil {
		return nil, single(d.start(), err.Error(), "config.syntax")
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
func (d *tomlFile) start() Place { return Place{Name: d.name, Line: 1, Column: 1} }

// place returns where s is.
func (d *tomlFile) place(s span) Place {
	before := d.source[:min(s.offset, len(d.source))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return d.mark(bytes.Count(before, []byte("\n"))+1, begin, span{len(before), s.length})
}

// position returns the place of a byte given by line and byte column.
func (d *tomlFile) position(line, column int) Place {
	offset := d.offset(line, column)
	return d.mark(line, bytes.LastIndexByte(d.source[:offset], '\n')+1, span{offset, 0})
}

// offset returns the offset of a byte given by line and byte column, or of the end of
// the line if it is beyond that.
func (d *tomlFile) offset(line, column int) int {
	begin := 0
	for range line - 1 {
		if i := bytes.IndexByte(d.source[begin:], '\n'); i >= 0 {
			begin += i + 1
		}
	}
	return min(begin+max(0, column-1), begin+d.lineLength(begin))
}

// lineLength returns the length of the line that begins at an offset, without its
// newline.
func (d *tomlFile) lineLength(begin int) int {
	line, _, _ := bytes.Cut(d.source[begin:], []byte("\n"))
	return len(bytes.TrimSuffix(line, []byte("\r")))
}

// mark returns the place of s in the line with that number, which begins at an offset.
// A place counts characters, as editors do.
func (d *tomlFile) mark(number, begin int, s span) Place {
	raw := d.source[begin : begin+d.lineLength(begin)]
	l := d.shownLine(begin, raw)
	from := min(s.offset-begin, len(raw))
	before, within := l.upTo(from)
	through, _ := l.upTo(min(from+s.length, len(raw)))
	p := Place{
		Name:   d.name,
		Line:   number,
		Column: utf8.RuneCount(raw[:from]) + 1,
		source: l.text,
		indent: utf8.RuneCountInString(before),
		width:  utf8.RuneCountInString(through) - utf8.RuneCountInString(before),
	}
	if within {
		p.width = len(shown.Redacted)
	}
	return p
}
