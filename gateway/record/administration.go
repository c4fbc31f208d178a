package record

import (
	"time"

	"gatehouse/backend/fault"
)

// Administration is what the audit log says of something that somebody did who runs the
// gateway, as a line of JSON. Decision has no event.
type Administration struct {
	Time     time.Time  `json:"time"`
	ID       string     `json:"id"`
	Event    string     `json:"event"`              // "token.create", "token.rotate" or "token.revoke"
	By       string     `json:"by"`                 // who did it
	Tokens   []string   `json:"tokens,omitempty"`   // IDs of the tokens that were made or ended
	Replaces string     `json:"replaces,omitempty"` // ID of the token that another one takes the place of
	Kind     string     `json:"kind,omitempty"`
	Name     string     `json:"name,omitempty"`
	Owner    string     `json:"owner,omitempty"` // as rules name it
	Code     fault.Code `json:"code,omitempty"`  // of why it was not done
	Error    string     `json:"error,omitempty"`
}

// Encode calls use with a as a line, which use must not keep.
func (a Administration) Encode(use func(record []byte)) { encode(a, use) }
