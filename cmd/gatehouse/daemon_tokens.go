package main

import (
	"context"
	"fmt"
	"time"

	"gatehouse/backend/owntoken"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway"
)

// upkeepEvery is how often the tokens are looked after: their last uses are kept, and what
// has ended is dropped.
const upkeepEvery = time.Hour

// ownTokens are the tokens that accounts own. The process has one file of them from its
// start to its end, whatever becomes of the configuration: while it reads the file anew, no
// token would be known.
type ownTokens struct {
	path    string
	journal *owntoken.Journal
	issuer  *owntoken.Issuer
}

// useOwnTokens gives a the tokens that accounts own. It opens their file when the program
// starts.
func (d *daemon) useOwnTokens(a *assemble.Assembly) error {
	path := a.StorePath()
	at := a.Config.Origin.At("tokens", "store_file")
	switch {
	case d.current.Load() == nil && path != "":
		journal, err := owntoken.OpenJournal(path)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		d.own = &ownTokens{path, journal, owntoken.NewIssuer(journal, a.OwnTokens())}
		d.metrics.SetTokens(journal.Tally)
	case path != d.own.file():
		return fmt.Errorf("%s: changing store_file %w", at, gateway.ErrNeedsRestart)
	}
	if d.own != nil {
		a.Gateway.Tokens.Own = d.own.issuer.With(a.OwnTokens())
	}
	return nil
}

// file returns the path of the file, empty where there are no tokens.
func (o *ownTokens) file() string {
	if o == nil {
		return ""
	}
	return o.path
}

// keepTokens looks after the tokens now and then, until ctx is done. Uses that are noted
// after that are kept when the file is closed.
func (d *daemon) keepTokens(ctx context.Context) {
	if d.own == nil {
		return
	}
	u := newTokenUpkeep(d)
	u.warnOfEnds(ctx, time.Now())
	due := time.NewTicker(upkeepEvery)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-due.C:
			u.run(ctx, now)
		}
	}
}

// closeOwnTokens keeps what was noted and lets another process have the file.
func (d *daemon) closeOwnTokens() {
	if d.own == nil {
		return
	}
	if err := d.own.journal.Close(); err != nil {
		d.log.Error("closing the file of tokens", "error", err)
	}
}
