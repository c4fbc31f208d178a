package admin

import (
	_ "embed" // for the text
	"io"
	"strings"
	"text/template"
	"time"

	"gatehouse/backend/shown"
)

//go:embed status.txt
var statusText string

// WriteText writes s for people at a terminal.
func (s Status) WriteText(w io.Writer) error {
	t, err := template.New("status").Funcs(template.FuncMap{
		"ago":     ago,
		"lasting": lasting,
		"bytes":   byteCount,
		"percent": percent,
		"words":   func(code string) string { return strings.ReplaceAll(plain(code), "_", " ") },
		"clock":   func(t time.Time) string { return t.Format(time.RFC3339) },
		"join":    func(all []string) string { return plain(strings.Join(all, ", ")) },
		"plain":   plain,
		"largest": largestFirst,
	}).Parse(statusText)
	if err != nil {
		return err
	}
	return t.Execute(w, s)
}

// plain returns text as it may be shown at a terminal: directories and clients have
// chosen some of it.
func plain(text string) string { return shown.Lines(text) }
