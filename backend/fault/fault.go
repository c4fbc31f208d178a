// Package fault gives the errors that an administrator may meet a stable code,
// such as ldap.tls.unknown_authority, under which logs, metrics and commands speak
// of them and docs/errors.md says what to do.
//
// A code is attached to an error with [With], where the cause is known best, or
// comes with a sentinel made by [Kind]; [Of] finds it. Texts and wrapped causes of
// errors stay what they are. The catalogue holds every code that there may be, so
// that they can be the label of a metric.
package fault

import (
	"errors"
	"strings"
)

// A Code names a kind of fault in words that are joined by dots, the widest
// first. Its meaning never changes; the empty one stands for none.
type Code string

// An Entry is what the catalogue says of a code.
type Entry struct {
	Code  Code
	Means string // what has happened
	Do    string // what to do about it
}

// A Group is the entries about one subject.
type Group struct {
	Title   string
	Entries []Entry
}

// Advice returns what to do about a fault with this code as plain text, and nothing
// where the catalogue does not have it.
func (c Code) Advice() string {
	for _, g := range Catalogue() {
		for _, e := range g.Entries {
			if e.Code == c {
				return strings.ReplaceAll(e.Do, "`", "")
			}
		}
	}
	return ""
}

// coded is an error with the code of its cause.
type coded struct {
	error
	code Code
}

// Unwrap returns the error without the code.
func (e *coded) Unwrap() error { return e.error }

// FaultCode returns the code.
func (e *coded) FaultCode() Code { return e.code }

// With returns err with a code, unless the one or the other is none. The text
// stays the same.
func With(code Code, err error) error {
	if err == nil || code == "" {
		return err
	}
	return &coded{err, code}
}

// kind is a sentinel with a code.
type kind struct {
	error
	code Code
}

// Kind returns an error to compare others with, which stands for a whole kind of
// them. Its code counts where no error has one that was attached to it.
func Kind(code Code, text string) error { return &kind{errors.New(text), code} }

// Of returns the code of err: of those that were attached the one nearest to the
// cause, and else that of the kind of error. Where several errors were joined, the
// first that has one counts. An error of another package has the code that its
// method FaultCode returns.
func Of(err error) Code {
	if code := find(err, attached); code != "" {
		return code
	}
	return find(err, ofKind)
}

// find returns the code nearest to the cause that own returns of an error.
func find(err error, own func(error) Code) Code {
	if err == nil {
		return ""
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if code := find(e.Unwrap(), own); code != "" {
			return code
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			if code := find(cause, own); code != "" {
				return code
			}
		}
	}
	return own(err)
}

func attached(err error) Code {
	if e, ok := err.(interface{ FaultCode() Code }); ok {
		return e.FaultCode()
	}
	return ""
}

func ofKind(err error) Code {
	if e, ok := err.(*kind); ok {
		return e.code
	}
	return ""
}
