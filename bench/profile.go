package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// The profiler is compiled into gatehouse for one run by an overlay of the go
// tool; nothing of it is in the program that people get. It answers on a unix
// socket in the working folder, to which a variable of the environment points.
const (
	profilerSocketVariable = "BENCH_PROFILER_SOCKET"
	profilerSource         = `package main

import (
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() {
	path := os.Getenv("` + profilerSocketVariable + `")
	if path == "" {
		return
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	go http.Serve(socket, nil)
}
`
)

func profilerSocket(l *lab) string { return filepath.Join(l.Dir, "profiler.sock") }

// writeProfiler writes the overlay for go build.
func writeProfiler(l *lab, root string) (string, error) {
	source := filepath.Join(l.Dir, "profiler.go.txt")
	if err := writeFile(source, profilerSource, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, "cmd", "gatehouse", "bench_profiler.go"): source},
	})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	file := filepath.Join(l.Dir, "overlay.json")
	return file, writeFile(file, string(overlay), 0o600)
}

// profile writes to a file what gatehouse does with its processor time under
// one load, and tells how much of it a request took.
func profile(ctx context.Context, l *lab, f *field, o options) (string, error) {
	if len(f.servers) == 0 {
		return "", errors.New("profile: gatehouse is not there")
	}
	const length = 10 * time.Second
	all := loads(o)
	w := all[slices.IndexFunc(all, func(w load) bool { return w.name == o.profileOf })]
	w.count, w.limit = 1<<30, length+time.Second
	var group errgroup.Group
	var out outcome
	group.Go(func() error {
		var err error
		out, err = w.run(ctx, l, f.servers[0])
		return err
	})
	group.Go(func() error { return fetchProfile(ctx, profilerSocket(l), o.profile, length) })
	if err := group.Wait(); err != nil {
		return "", err
	}
	n := len(out.latencies)
	return fmt.Sprintf("%s: %d requests, %v of CPU each", w.name, n, out.cpu/time.Duration(n)), nil
}

func fetchProfile(ctx context.Context, socket, file string, length time.Duration) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	url := fmt.Sprintf("http://profiler/debug/pprof/profile?seconds=%.0f", length.Seconds())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: the profiler answered %s", res.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	_, err = io.Copy(out, res.Body)
	return errors.Join(err, out.Close())
}
