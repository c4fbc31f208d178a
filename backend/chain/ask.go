package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/backend"
)

// Authenticate asks one member after the other.
func (b *Backend) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	return b.ask(ctx, func(ctx context.Context, m *member) (backend.Identity, error) {
		return m.stamp(m.Backend.Authenticate(ctx, user, password))
	})
}

// Resolve says who a login as user would be if the first member that knows the
// user vouched for it. It cannot say that where a member which would be asked
// before it cannot.
func (b *Backend) Resolve(ctx context.Context, user string) (backend.Identity, error) {
	return b.ask(ctx, func(ctx context.Context, m *member) (backend.Identity, error) {
		return m.stamp(m.Backend.Resolve(ctx, user))
	})
}

type question func(context.Context, *member) (backend.Identity, error)

func (b *Backend) ask(ctx context.Context, q question) (backend.Identity, error) {
	var t tally
	for _, m := range b.members {
		id, err := m.ask(ctx, q)
		if err == nil {
			return id, nil
		}
		if !t.passes(m, err) {
			break
		}
	}
	return backend.Identity{}, t.answer()
}

// ask bounds the time of a member that may be passed over when it is over.
func (m *member) ask(ctx context.Context, q question) (backend.Identity, error) {
	if deadline, bounded := ctx.Deadline(); bounded && m.nextOnUnavailable {
		half, cancel := context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/2))
		defer cancel()
		ctx = half
	}
	return q(ctx, m)
}

// tally is what members have said that did not vouch for the user.
type tally struct {
	fault, outage, refusal error
	refused                []string // the members that gave a definitive answer
}

// passes takes down what m said and reports whether the next member is asked.
func (t *tally) passes(m *member, err error) bool {
	switch {
	case errors.Is(err, backend.ErrUnavailable): // whatever else it is: no answer
		t.addOutage(err)
		return m.nextOnUnavailable
	case errors.Is(err, backend.ErrWrongPassword), errors.Is(err, backend.ErrLocked):
		t.refusal, t.refused = err, append(t.refused, m.Name)
		return m.nextOnWrongPassword
	case errors.Is(err, backend.ErrUnknownUser):
		if t.refusal == nil {
			t.refusal = err
		}
		t.refused = append(t.refused, m.Name)
		return true
	}
	t.fault = err
	return false
}

func (t *tally) addOutage(err error) {
	if t.outage != nil {
		err = fmt.Errorf("%w; %w", t.outage, err)
	}
	t.outage = err
}

// answer returns the error that says least: what a member did not say cannot be
// made up for by what another did.
func (t *tally) answer() error {
	switch {
	case t.fault != nil:
		return &unanswered{t.fault, t.refused}
	case t.outage != nil:
		return &unanswered{t.outage, t.refused}
	}
	return t.refusal
}

// unanswered is an error of members that gave no answer, beside which others may
// have given one that is definitive. See [backend.RefusedBy].
type unanswered struct {
	error
	refused []string
}

func (u *unanswered) Unwrap() error { return u.error }

func (u *unanswered) RefusedBy(source string) bool { return slices.Contains(u.refused, source) }
