package selfservice

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
)

// Request is a request of somebody who has logged in with a password.
type Request struct {
	Place Place
	Post  bool
	Form  map[string][]string // of a POST
	Who   backend.Identity
	Host  string // as clients of the registry name it
	ID    string // under which logs have the request
	HTML  bool
}

// Answer is what a request that is carried out is answered.
type Answer struct {
	Status   int
	Body     []byte
	Location string // where the browser goes on; empty for nowhere
	Did      string // what was done, in a word; empty for nothing
	Token    string // ID of the token that it was done to
}

// Answer carries out r. Its error is a [Refusal], or says why the tokens could not be asked
// about.
func (p *Page) Answer(ctx context.Context, r Request) (a Answer, err error) {
	if err := checkFields(r.Place.act, r.Form); err != nil {
		return a, err
	}
	v := p.newView(r)
	switch {
	case !r.Post:
	case r.Place.act == revoke:
		return p.revoke(ctx, r)
	case r.Place.act == rotate:
		a, err = p.rotate(ctx, r, v)
	default:
		a, err = p.create(ctx, r, v)
	}
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		return Answer{}, err
	}
	if err := p.list(ctx, r, v); err != nil && a.Did == "" {
		return Answer{}, err
	} // else the secret is shown without a list: nobody sees it a second time
	if refusal != nil {
		if r.HTML {
			v.Problem = sentence(refusal.Message)
			refusal.HTML = p.render(v, true)
		}
		return Answer{}, refusal
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	a.Body = p.render(v, r.HTML)
	return a, nil
}

// list adds the tokens of the user to v, the newest first.
func (p *Page) list(ctx context.Context, r Request, v *view) error {
	list, err := p.tokens.List(ctx, owntoken.OwnerOf(r.Who))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, t := range slices.Backward(list) {
		v.Tokens = append(v.Tokens, newTokenView(t, p.path, now))
	}
	v.pair()
	return nil
}

// create makes a token as the form says.
func (p *Page) create(ctx context.Context, r Request, v *view) (Answer, error) {
	v.Form = readWish(r.Form)
	o := v.Form.order(p.tokens.Bounds())
	if len(v.Form.Errors) > 0 {
		return Answer{}, &Refusal{Why: Malformed, Message: "no token was made: " + v.Form.firstError(), Fields: v.Form.Errors}
	}
	o.Owner, o.By, o.Request = owntoken.OwnerOf(r.Who), r.Who.User, r.ID
	made, secret, err := p.tokens.Create(ctx, o)
	if err != nil {
		err = refused(err)
		var refusal *Refusal
		if errors.As(err, &refusal) && refusal.Fields != nil {
			v.Form.Errors = refusal.Fields
		}
		return Answer{}, err
	}
	v.Form = p.emptyWish()
	v.show(made, secret)
	return Answer{Status: http.StatusCreated, Did: "made", Token: made.ID}, nil
}

// firstError returns what is wrong with the first field that something is wrong with.
func (w *wish) firstError() string {
	for _, field := range fieldsOf[""] {
		if text := w.Errors[field]; text != "" {
			return field + ": " + text
		}
	}
	return ""
}

// own returns the token with the ID of the request, if it is one of the user.
func (p *Page) own(ctx context.Context, r Request) (owntoken.Token, error) {
	list, err := p.tokens.List(ctx, owntoken.OwnerOf(r.Who))
	if err != nil {
		return owntoken.Token{}, err
	}
	i := slices.IndexFunc(list, func(t owntoken.Token) bool { return t.ID == r.Place.id })
	if i < 0 {
		return owntoken.Token{}, &Refusal{Why: Unknown, Message: unknownToken}
	}
	return list[i], nil
}

func (p *Page) rotate(ctx context.Context, r Request, v *view) (Answer, error) {
	old, err := p.own(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	if old.Kind == owntoken.Identity {
		return Answer{}, malformed("what docker login keeps is not rotated: log in anew, and revoke this one")
	}
	overlap, err := overlapOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	made, secret, err := p.tokens.Rotate(ctx, old.ID, overlap, r.Who.User, r.ID)
	if err != nil {
		return Answer{}, refused(err)
	}
	v.show(made, secret)
	v.Made.Rotated = true
	return Answer{Status: http.StatusCreated, Did: "rotated", Token: made.ID}, nil
}

// revoke ends a token. A browser goes back to the list, which can be loaded again.
func (p *Page) revoke(ctx context.Context, r Request) (Answer, error) {
	t, err := p.own(ctx, r)
	if err == nil {
		_, err = p.tokens.Revoke(ctx, r.Who.User, t.ID)
	}
	if err != nil {
		return Answer{}, refused(err)
	}
	a := Answer{Status: http.StatusOK, Did: "revoked", Token: t.ID, Body: p.render(map[string]string{"revoked": t.ID}, false)}
	if r.HTML {
		a.Status, a.Location, a.Body = http.StatusSeeOther, p.path+"#revoked", nil
	}
	return a, nil
}
