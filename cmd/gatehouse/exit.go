package main

// exitError is an error with the code that the program exits with because of it:
// 1 if the answer to what was asked is no, 2 for wrong usage or a configuration
// that cannot be read, 4 if there is no answer.
type exitError struct {
	code int
	err  error // nil if all that there is to say has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }
