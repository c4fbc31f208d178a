package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// warmUp is how many logins of each reason are not counted: connections are made
// meanwhile, and the floor finds its place.
const warmUp = 20

// question is the login with a number of the reason with an index.
type question struct{ reason, number int }

// measure asks a gatehouse with the logins of a scene.
func (l *lab) measure(ctx context.Context, s scene) (sheet, error) {
	p, addr, err := l.serve(ctx, s)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	samples := l.samples
	var order []question
	for r := range s.reasons {
		for n := range samples {
			order = append(order, question{r, n})
		}
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	times := make([]time.Duration, len(order))
	if err := l.ask(ctx, addr, s, order, times); err != nil {
		return nil, err
	}
	result := make(sheet, len(s.reasons))
	for i, q := range order {
		if i >= warmUp*len(s.reasons) || samples <= warmUp {
			result[q.reason] = append(result[q.reason], times[i])
		}
	}
	return result, nil
}

// ask asks all questions in their order, over all connections at once.
func (l *lab) ask(ctx context.Context, addr string, s scene, order []question, times []time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range l.conns {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(order) || ctx.Err() != nil {
					return
				}
				user, password := s.reasons[order[i].reason].login(order[i].number)
				took, err := refusal(ctx, client, l.target(addr), user, password)
				if err != nil {
					cancel(err)
					return
				}
				times[i] = took
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// target returns what is asked for at a gatehouse.
func (l *lab) target(addr string) string {
	if l.tokens {
		return "http://" + addr + "/v2/token?service=127.0.0.1"
	}
	return "http://" + addr + "/v2/"
}

// refusal returns how long it takes until a login is refused.
func refusal(ctx context.Context, client *http.Client, target, user, password string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(user, password)
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	took := time.Since(begin)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return 0, fmt.Errorf("a login as %s that is to be refused: %s", user, resp.Status)
	}
	return took, nil
}
