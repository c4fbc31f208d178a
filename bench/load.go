package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// blobConns is how many connections carry blobs at a time.
const blobConns = 2

// patience is how long one step may take before it is given up.
const patience = 2 * time.Minute

var errPatience = fmt.Errorf("not done within %v", patience)

// patiently does one step of the measurement, which ends with an error when it
// does not end by itself.
func patiently(ctx context.Context, step string, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	err := do(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", step, context.Cause(ctx), err)
	}
	return fmt.Errorf("%s: %w", step, err)
}

// load is one way to use a server, and what it does in a round.
type load struct {
	name    string
	conns   int
	count   int           // requests
	limit   time.Duration // 0: until count is reached
	fresh   bool          // a new connection for each request
	request func(l *lab, u credential) request
	cpuKey  string // the measure of its processor time for each request
	cpuUnit time.Duration
}

func loads(o options) []load {
	return []load{
		{
			name: "small", conns: o.conns, count: o.requests, limit: o.limit,
			request: smallRequest, cpuKey: smallCPU, cpuUnit: time.Microsecond,
		},
		{
			name: "pull", conns: blobConns, count: o.blobs,
			request: pullRequest, cpuKey: pullCPU, cpuUnit: time.Millisecond,
		},
		{
			name: "push", conns: blobConns, count: o.blobs,
			request: pushRequest, cpuKey: pushCPU, cpuUnit: time.Millisecond,
		},
		{
			name: "handshake", conns: 8, count: o.handshakes, fresh: true,
			request: strangerRequest, cpuKey: handshakeCPU, cpuUnit: time.Microsecond,
		},
	}
}

func loadNames() []string {
	var names []string
	for _, w := range loads(options{}) {
		names = append(names, w.name)
	}
	return names
}

// on says whether the load means anything for s.
func (w load) on(s *server) bool { return !w.fresh || s.tls != nil }

func smallRequest(_ *lab, u credential) request {
	return newRequest("GET "+manifestPath, u, nil, answer{Status: http.StatusOK, Length: int64(len(smallManifest()))})
}

func pullRequest(l *lab, u credential) request {
	return newRequest("GET "+blobPath, u, nil, answer{Status: http.StatusOK, Length: l.blob.size})
}

func pushRequest(l *lab, u credential) request {
	return newRequest("PATCH "+uploadPath, u, &l.blob, answer{Status: http.StatusAccepted, Range: rangeOf(l.blob.size)})
}

// verifiedPull and verifiedPush compare digests, which is too dear for the
// measured ones.
func verifiedPull(l *lab, u credential) request {
	r := pullRequest(l, u)
	r.want.Digest = l.digest
	return r
}

func verifiedPush(l *lab, u credential) request {
	return newRequest("PUT "+uploadPath+"?digest="+l.digest, u, &l.blob, answer{Status: http.StatusCreated, Range: rangeOf(l.blob.size)})
}

// strangerRequest is what every client sends first: it has no credentials and
// is refused without a question to users' file or upstream, so that what is
// left is the connection.
func strangerRequest(*lab, credential) request {
	return newRequest("GET "+rootPath, credential{}, nil, answer{Status: http.StatusUnauthorized})
}

// outcome is what one run of a load showed.
type outcome struct {
	elapsed   time.Duration
	cpu       time.Duration
	latencies []time.Duration // sorted
}

// run puts the load on s. Kept connections are made, and have carried a
// request, before anything counts.
func (w load) run(ctx context.Context, l *lab, s *server) (outcome, error) {
	requests := make([]request, w.conns)
	for i := range requests {
		requests[i] = w.request(l, s.user(l, i))
	}
	if w.fresh {
		return w.measure(ctx, s, func(ctx context.Context, i int) error { return once(ctx, s, requests[i]) })
	}
	kept, err := connect(ctx, l, s, w.conns)
	defer closeAll(kept)
	if err != nil {
		return outcome{}, err
	}
	return w.measure(ctx, s, func(_ context.Context, i int) error { return kept[i].do(requests[i]) })
}

func (w load) measure(ctx context.Context, s *server, work func(ctx context.Context, i int) error) (outcome, error) {
	before, err := groupCPU(s.group())
	if err != nil {
		return outcome{}, s.explain(err)
	}
	start := time.Now()
	latencies, err := w.drive(ctx, work)
	elapsed := time.Since(start)
	if err != nil {
		return outcome{}, err
	}
	time.Sleep(20 * time.Millisecond) // what is done after the last answer counts too
	after, err := groupCPU(s.group())
	if err != nil {
		return outcome{}, s.explain(err)
	}
	return outcome{elapsed: elapsed, cpu: after - before, latencies: latencies}, nil
}

// drive calls work from w.conns goroutines, the ith of which always says i,
// until there was enough of it or the first error.
func (w load) drive(ctx context.Context, work func(ctx context.Context, i int) error) ([]time.Duration, error) {
	var taken atomic.Int64
	start := time.Now()
	each := make([][]time.Duration, w.conns)
	group, ctx := errgroup.WithContext(ctx)
	for i := range w.conns {
		group.Go(func() error {
			for taken.Add(1) <= int64(w.count) && (w.limit == 0 || time.Since(start) < w.limit) {
				began := time.Now()
				if err := work(ctx, i); err != nil {
					return err
				}
				each[i] = append(each[i], time.Since(began))
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	latencies := slices.Concat(each...)
	slices.Sort(latencies)
	return latencies, err
}

// connect makes n connections to s, a few at a time, each of which has carried
// one authenticated request. They are returned with an error as well.
func connect(ctx context.Context, l *lab, s *server, n int) ([]*client, error) {
	clients := make([]*client, n)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range clients {
		group.Go(func() error {
			if err := groupCtx.Err(); err != nil {
				return err
			}
			c, err := dial(ctx, s)
			if err != nil {
				return err
			}
			clients[i] = c
			return c.do(rootRequest(s.user(l, i)))
		})
	}
	return clients, group.Wait()
}

func closeAll(clients []*client) {
	for _, c := range clients {
		if c != nil {
			c.close()
		}
	}
}

// once carries one request over a connection of its own.
func once(ctx context.Context, s *server, r request) error {
	c, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	return c.do(r)
}
