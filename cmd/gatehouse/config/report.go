package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// Place is where a value was set: in a file, or by the variable or flag that
// name is then the name of.
type Place struct {
	Name   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"` // 0 for a variable or a flag
	Column int    `json:"column,omitempty"`
	source string // the line, as it may be shown
	indent int    // characters in it before the place
	width  int    // characters that the caret line marks
}

// String returns FILE:LINE:COLUMN, or the name of a variable or flag.
func (p Place) String() string {
	if p.Line == 0 {
		return p.Name
	}
	return fmt.Sprintf("%s:%d:%d", p.Name, p.Line, p.Column)
}

// caret returns the source line and a line below it that marks the place.
func (p Place) caret() string {
	if p.Line == 0 || strings.TrimSpace(p.source) == "" {
		return ""
	}
	number := fmt.Sprintf("%5d | ", p.Line)
	runes := []rune(p.source)
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(runes[:min(p.indent, len(runes))]))
	marks := max(1, min(p.width, len(runes)-p.indent))
	return number + shown.Row(strings.Split(p.source, "\t")) + // with the tabs that the caret line has
		"\n" +
		strings.Repeat(" ", len(number)-2) + "| " + indent + strings.Repeat("^", marks) + "\n"
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Place
	Message string     `json:"message"` // what, why, what to do
	Code    fault.Code `json:"code,omitempty"`
	Warning bool       `json:"-"`
	private bool       // the message names users, or may
}

// String returns the problem on one line.
func (p Problem) String() string {
	text := shown.Text(p.Message)
	if p.Warning {
		text = "warning: " + text
	}
	if p.Name == "" {
		return text // about the program, not about its configuration
	}
	return p.Place.String() + ": " + text
}

// Detail returns the problem and the line of the file that it is about.
func (p Problem) Detail() string { return p.String() + "\n" + p.caret() }

// Report collects problems.
type Report []Problem

// add is the one way into a report. No message has a user part of a URL in it,
// whichever key it is about; the types of leads.go see to the rest.
func (r *Report) add(p Problem) {
	p.Message = shown.WithoutUserinfo(p.Message)
	*r = append(*r, p)
}

// single returns an error about one thing that is wrong.
func single(at Place, message string, code fault.Code) error {
	var r Report
	r.Codef(code, at, message)
	return r.Err()
}

// Errorf adds an error. Its code is that of the first error in args that has one.
func (r *Report) Errorf(at Place, format string, args ...any) {
	r.add(Problem{Place: at, Message: fmt.Sprintf(format, args...), Code: cmp.Or(codeIn(args), "config.invalid")})
}

// codeIn returns the code of the first error in args that has one.
func codeIn(args []any) fault.Code {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			if code := fault.Of(err); code != "" {
				return code
			}
		}
	}
	return ""
}

// Add adds each of the errors that were joined to make err, at the place of its path below
// that of a table; see [fault.Path]. An error without one is at the key otherwise.
func (r *Report) Add(err error, o Origin, table []any, otherwise string) {
	for _, err := range fault.Leaves(err) {
		path := fault.Path(err)
		if path == nil {
			path = []any{otherwise}
		}
		r.Errorf(o.At(slices.Concat(table, path)...), "%v", err)
	}
}

// Codef is Errorf for an error with a code, which may be none.
func (r *Report) Codef(code fault.Code, at Place, message string) {
	r.add(Problem{Place: at, Message: message, Code: cmp.Or(code, "config.invalid")})
}

// Warnf adds a warning.
func (r *Report) Warnf(at Place, format string, args ...any) {
	r.add(Problem{Place: at, Message: fmt.Sprintf(format, args...), Warning: true})
}

// KeepFirst drops what is said of places of which the report first says something: of a
// value that cannot be read nothing else is known.
func (r *Report) KeepFirst(first Report) {
	said := map[string]bool{}
	for _, p := range first {
		said[p.Place.String()] = true
	}
	rest := slices.DeleteFunc((*r)[min(len(first), len(*r)):], func(p Problem) bool { return said[p.Place.String()] })
	*r = (*r)[:len(first)+len(rest)]
}

// KeepPrivate marks the problems from index first on as such that name users.
func (r Report) KeepPrivate(first int) {
	for i := range r[first:] {
		r[first+i].private = true
	}
}

// Split returns the errors and the warnings, each in the order of the file.
func (r Report) Split() (errs, warnings Report) {
	sorted := slices.Clone(r)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	for _, p := range sorted {
		if p.Warning {
			warnings = append(warnings, p)
		} else {
			errs = append(errs, p)
		}
	}
	return errs, warnings
}

// Err returns a *Error with all errors, or nil where there is none.
func (r Report) Err() error {
	errs, warnings := r.Split()
	if len(errs) == 0 {
		return nil
	}
	return &Error{errs, warnings}
}

// Error says everything that is wrong with a configuration.
type Error struct {
	Errors   Report
	Warnings Report
}

// Error returns all errors, each with the line of the file that it is about.
func (e *Error) Error() string {
	var b strings.Builder
	for _, p := range e.Errors {
		b.WriteString(p.Detail())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Public returns all errors as they may be shown to whoever can connect: without
// lines of the file, in which anything may stand, and without names of users.
func (e *Error) Public() string {
	var lines []string
	for _, p := range e.Errors {
		if p.private {
			p.Message = "what is wrong here names users: see the log, or gatehouse check"
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// FaultCode returns the code of the first error.
func (e *Error) FaultCode() fault.Code { return e.Errors[0].Code }
