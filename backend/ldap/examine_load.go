package ldap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// The load that is tried: so many questions, so many at once.
const (
	loadQuestions = 20
	loadAtOnce    = 4
)

// slowAnswer is when half of all answers taking that long is worth a word.
const slowAnswer = 200 * time.Millisecond

// load searches, and binds as the service account, over kept connections.
func (e *examination) load(ctx context.Context) {
	q := query{base: e.config.UserBases[0], scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}}
	if l, ok := e.parseLogin(ctx, e.what.User); ok {
		q = e.userQuery(e.config.UserBases[0], l)
		q.limit = 2
	}
	e.step("load", "searches", e.ldapsearch(q), func(f *backend.Finding) error {
		return e.measure(f, func() error {
			_, err := e.asService(ctx, q)
			return err
		})
	})
	if e.config.BindDN == "" {
		return // there is no password that can be tried as often
	}
	e.step("load", "binds", e.ldapsearch(query{filter: "(objectClass=*)", attributes: []string{"1.1"}}), func(f *backend.Finding) error {
		return e.measure(f, func() error {
			return e.directory.bindAs(ctx, func(c *conn) error { return e.directory.account.bind(ctx, c, newTurn()) })
		})
	})
}

// measure has f ask its question several times and says how long that takes.
func (e *examination) measure(f *backend.Finding, ask func() error) error {
	var mu sync.Mutex
	var took []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range loadAtOnce {
		wg.Go(func() {
			for range loadQuestions / loadAtOnce {
				start := time.Now()
				err := guarded(ask)
				mu.Lock()
				took, errs = append(took, time.Since(start)), append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	half, most := took[(len(took)-1)/2], took[(len(took)*95+99)/100-1] // by the nearest rank
	f.Text = fmt.Sprintf("%d, %d at once: p50 %v, p95 %v", len(took), loadAtOnce, half.Round(10*time.Microsecond), most.Round(10*time.Microsecond))
	if half > slowAnswer {
		f.Advice = "each login waits that long: name a nearer server first in urls, and have the directory index what user_filter asks for"
	}
	return firstOf(errs)
}

// firstOf returns the first error and how many there are.
func firstOf(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%d failed: %w", len(errs), errs[0])
}
