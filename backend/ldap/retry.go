package ldap

import (
	"context"
	"sync"
	"time"

	"gatehouse/backend"
)

// Retry has the password of the service account be tried by the next question that
// needs it, although it was refused.
func (b *Backend) Retry() bool { return b.directory.account.retry() }

// Probe tries every server with a connection of its own, logged in as the service
// account.
func (b *Backend) Probe(ctx context.Context) []backend.Trial {
	b.Retry()
	servers := b.directory.resolve(ctx)
	trials := make([]backend.Trial, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { trials[i] = s.try(ctx) })
	}
	wg.Wait()
	return trials
}

// try finds out whether a search could be asked, and puts the server to use again if
// so.
func (s *server) try(ctx context.Context) backend.Trial {
	start := time.Now()
	err := guarded(func() error {
		c, err := s.openSearch(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		return c.ping(ctx, s.config.OperationTimeout, s.config.UserBases[0])
	})
	if err == nil {
		s.reinstate()
	}
	return backend.Trial{Server: s.address.String(), Took: time.Since(start), Err: err}
}
