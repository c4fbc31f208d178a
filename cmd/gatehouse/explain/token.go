package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// Token is what there is to say of the token that a request comes with.
type Token struct {
	ID      string     `json:"id,omitempty"`   // empty if it could not be opened
	User    string     `json:"user,omitempty"` // empty for somebody who has not logged in
	Backend string     `json:"backend,omitempty"`
	Service string     `json:"service,omitempty"`
	Issued  *time.Time `json:"issued,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Scopes  string     `json:"scopes,omitempty"`
	Grace   bool       `json:"grace,omitempty"` // it has expired, and may finish the upload
	Code    fault.Code `json:"code,omitempty"`  // of why it is not taken
	Why     string     `json:"why,omitempty"`

	age string // for people
}

// tokenOf returns what there is to say of the token that came with q and was answered by a.
func tokenOf(q gateway.Question, a gateway.Answer) *Token {
	if q.Bearer == nil {
		return nil
	}
	out := &Token{Grace: a.Grace}
	if a.TokenErr != nil {
		out.Code, out.Why = fault.Of(a.TokenErr), a.TokenErr.Error()
	}
	t := q.Bearer.Token
	if t.Issued == 0 {
		return out
	}
	issued, expires := time.Unix(t.Issued, 0).UTC(), time.Unix(t.Expires, 0).UTC()
	out.ID, out.User, out.Backend = t.ID.String(), t.Identity.User, t.Identity.Source
	out.Service, out.Scopes, out.Issued, out.Expires = t.Service, string(t.Scopes), &issued, &expires
	out.age = fmt.Sprintf("expires in %s", expires.Sub(q.Bearer.At).Round(time.Second))
	if over := t.ExpiredSince(q.Bearer.At); over >= 0 {
		out.age = fmt.Sprintf("expired %s ago", over.Round(time.Second))
	}
	return out
}

// lines returns t for people, each line with its heading.
func (t *Token) lines() (lines [][2]string) {
	if t == nil {
		return nil
	}
	taken := ""
	switch {
	case t.Grace:
		taken = ", which upload_grace lets finish the upload"
	case t.Why != "":
		taken = ", not taken: " + t.Why
	}
	if t.ID == "" {
		return [][2]string{{"token", "none" + taken}}
	}
	owner := "nobody"
	if t.User != "" {
		owner = t.User + " (backend " + t.Backend + ")"
	}
	return [][2]string{
		{"token", fmt.Sprintf("%s of %s for %s, %s%s", t.ID, owner, t.Service, t.age, taken)},
		{"scopes", cmp.Or(t.Scopes, "none")},
	}
}

// With returns the claimant who comes with the token b, and so is whoever that names.
func (c Claimant) With(b gateway.Bearer) Claimant {
	c.Token, c.Via = &b, rules.Way(b.Token.Via)
	c.Name, c.Backend = b.Token.Identity.User, b.Token.Identity.Source
	return c
}

// hearToken finds out of whoever a token names what a gateway would. A token that it does not
// take says nothing of anybody.
func (c Claimant) hearToken(ctx context.Context, asks bool, on routeBackend) testimony {
	id := c.Token.Token.Identity
	if c.Name == "" || c.Token.Err != nil || !slices.Contains(on.sources, c.Backend) {
		return nobody("")
	}
	if own := c.Token.Token.Own; own != "" {
		t := nobody(fmt.Sprintf("it was made for the token %s of an account, which the running gateway alone can look up: see gatehouse token show", own))
		t.unknown = true
		return t
	}
	if !asks {
		who := c.as(c.Backend, backend.Extend(on.backend).Spelling(c.Backend))
		who.Identity, who.Via = id, c.Via
		return testimony{subjects: []rules.Subject{who}, note: fmt.Sprintf("it is taken for granted that the account of %s is what it was: ask the backend with --live", id.User)}
	}
	now, err := backend.Extend(on.backend).Confirm(ctx, id)
	switch {
	case backend.Refused(err):
		t := nobody("")
		t.refusal = err
		return t
	case err != nil:
		t := nobody(fmt.Sprintf("whether %s may still log in could not be found out: %v", id.User, err))
		t.down = true
		return t
	}
	t := groupsOf(ctx, on.backend, now)
	for i := range t.subjects {
		t.subjects[i].Via = c.Via
	}
	return t
}

// heardOf returns the token of a question about which a backend has said something.
func heardOf(b *gateway.Bearer, t testimony) *gateway.Bearer {
	if b == nil || t.refusal == nil {
		return b
	}
	heard := *b
	heard.Err = t.refusal
	return &heard
}
