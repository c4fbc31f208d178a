package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// firstTable returns the header by which a table came to be that a later one puts into a
// list, and what to do about it; an empty text where there is none. The parser tells where
// the later one is, and the mistake is in the first.
func (d *tomlFile) firstTable() (at Place, advice string) {
	var p unstable.Parser
	p.Reset(d.source)
	first := map[string]span{} // header of a table, by the keys of each on the way to it
	for p.NextExpression() {
		header := p.Expression()
		if header.Kind != unstable.Table && header.Kind != unstable.ArrayTable {
			continue
		}
		whole, path := d.headerSpan(header), ""
		for key := header.Key(); key.Next(); {
			name := string(key.Node().Data)
			path += "\x00" + name
			began, seen := first[path]
			switch inList := key.IsLast() && header.Kind == unstable.ArrayTable; {
			case !inList && !seen:
				first[path] = whole
			case inList && seen:
				return d.place(began), listAdvice(d.source[began.offset:began.offset+began.length], name)
			}
		}
	}
	return Place{}, ""
}

// headerSpan returns where a header stands, with its brackets.
func (d *tomlFile) headerSpan(header *unstable.Node) span {
	key := header.Key()
	key.Next()
	from := bytes.LastIndexByte(d.source[:key.Node().Raw.Offset], '\n') + 1
	line := d.source[from : from+d.lineLength(from)]
	indent := len(line) - len(bytes.TrimLeft(line, " \t"))
	end := bytes.LastIndexByte(line, ']') + 1
	return span{from + indent, max(end-indent, 0)}
}

// listAdvice says what to do about the header of a table by which one called name came to
// be that is an item of a list.
func listAdvice(header []byte, name string) string {
	whole := strings.Trim(string(header), "[] \t")
	if !strings.HasSuffix(whole, name) {
		return fmt.Sprintf("this stands before the [[%s]] that it belongs to: move it below", name)
	}
	return fmt.Sprintf("there may be several of these: write [[%s]], with double brackets", whole)
}

// syntaxAdvice adds to the message of the parser what to do, for the mistakes of
// those who do not write TOML every day.
func (d *tomlFile) syntaxAdvice(err *toml.DecodeError) string {
	const quotes = "text stands in straight double quotes, a switch is true or false"
	message := strings.TrimPrefix(err.Error(), "toml: ")
	switch {
	case strings.HasSuffix(message, "at start of value"):
		// Without the character, which the parser takes for a byte of it.
		return "no value begins like this: " + quotes
	case strings.HasPrefix(message, "expected '=' after key"):
		return message + `: write KEY = VALUE, with text in double quotes`
	case strings.HasSuffix(message, " already exists as an array of tables"):
		return message + ": each of these begins with double brackets, such as [[route.rule]]"
	case strings.HasSuffix(message, " already exists"):
		return message + ": write it once, with all its keys"
	case d.isHidden(d.offset(err.Position())) && strings.ContainsAny(message, `0123456789"'`): // which may be what is hidden
		return "this cannot be read: " + quotes
	}
	return message
}
