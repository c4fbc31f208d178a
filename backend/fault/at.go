package fault

import "errors"

// located is an error about a value of the configuration.
type located struct {
	error
	path []any
}

// Unwrap returns the error without the path.
func (e *located) Unwrap() error { return e.error }

// At returns err with the path of the value that it is about: keys, and indexes of lists,
// below the table that the caller was made from. The text stays the same. If the cause has
// a path too, that one is below this.
func At(err error, path ...any) error {
	if err == nil || len(path) == 0 {
		return err
	}
	return &located{err, path}
}

// Path returns the path of the value that err is about, nil if it is about none that is
// known. Of several errors that were joined it is that of the first; see [Leaves].
func Path(err error) []any {
	var path []any
	for e := new(located); errors.As(err, &e); err = e.error {
		path = append(path, e.path...)
	}
	return path
}

// Leaves returns the errors that were joined to make err, each with the path of what they
// were joined in.
func Leaves(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case *located:
		all := Leaves(e.error)
		for i := range all {
			all[i] = At(all[i], e.path...)
		}
		return all
	case interface{ Unwrap() []error }:
		var all []error
		for _, err := range e.Unwrap() {
			all = append(all, Leaves(err)...)
		}
		return all
	}
	return []error{err}
}
