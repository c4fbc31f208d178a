package selfservice

import (
	"errors"

	"gatehouse/backend/owntoken"
)

// Why says what kind of refusal one is.
type Why int

// The kinds of refusals.
const (
	Malformed  Why = iota // the form cannot be what was meant
	Conflict              // something that there is already is in the way
	Unknown               // the user has no such token
	Ineligible            // the account can own no tokens
)

// Refusal says why a request is not carried out.
type Refusal struct {
	Why     Why
	Message string            // a sentence
	Fields  map[string]string // what is wrong with each field of the form
	HTML    []byte            // the page with that and the form as it was sent; nil for JSON
}

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Message }

// refused returns the refusal that an error of an [owntoken.Issuer] is, or that error where
// it is no fault of whoever asks.
func refused(err error) error {
	switch {
	case errors.Is(err, owntoken.ErrName):
		return &Refusal{Why: Conflict, Message: err.Error(), Fields: map[string]string{fieldName: err.Error()}}
	case errors.Is(err, owntoken.ErrTooMany), errors.Is(err, owntoken.ErrTooOften), errors.Is(err, owntoken.ErrTwo):
		return &Refusal{Why: Conflict, Message: err.Error()}
	case errors.Is(err, owntoken.ErrNoAnchor), errors.Is(err, owntoken.ErrDNAnchor):
		return &Refusal{Why: Ineligible, Message: whyNone(err)}
	case errors.Is(err, owntoken.ErrNone), errors.Is(err, owntoken.ErrExpired), errors.Is(err, owntoken.ErrRevoked):
		return &Refusal{Why: Unknown, Message: unknownToken}
	}
	return err
}

const unknownToken = "you have no such token, or it has ended"

// whyNone says to a user why the account can own no tokens.
func whyNone(err error) string {
	switch {
	case errors.Is(err, owntoken.ErrNoAnchor):
		return "your account cannot have tokens: its backend shows nothing that tells it from a later account of the same name, and whoever got the name would get the tokens. Ask whoever runs this gateway"
	case errors.Is(err, owntoken.ErrDNAnchor):
		return "your account cannot have tokens: the directory shows this gateway no more of it than the name of its entry, and whoever got the name later would get the tokens. Ask whoever runs this gateway: its service account has to read the attribute that names an entry for good"
	}
	return ""
}
