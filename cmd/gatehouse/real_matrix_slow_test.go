package main_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway"
)

// slowRate is how many bytes of a layer pass in a second.
const slowRate = 128 << 10

// TestSlowLayersWithTokens has each client push a layer that takes longer than a token is
// good: 80 seconds and 61, of which clients assume 60. A configuration takes no ttl below
// five minutes, so the gateway is in the process of the test. Every day it is a layer of
// two seconds, for one client.
func TestSlowLayersWithTokens(t *testing.T) {
	t.Parallel()
	const ttl = 61 * time.Second
	seconds, clients := scale(t, slowLayerVariable, 2), matrixClients()
	if os.Getenv(slowLayerVariable) == "" {
		clients = slices.DeleteFunc(clients, func(c matrixClient) bool { return c.name != "skopeo" })
	}
	registry := registries[0]
	needs(t, registry.program)
	upstream := registry.start(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needs(t, c.programs...)
			r := newRecipe(t)
			m := &matrixRun{t: t, client: c, recipe: r, host: bearerHost, front: r.serveHere(t, upstream, func(tokens *gateway.Tokens) {
				tokens.TTL = ttl
				if c.emptied {
					tokens.UploadGrace = 0
				}
			})}
			m.prepare(slowTunnel(t, r.certificate, m.addrs(), slowRate))
			m.logIn()
			content := make([]byte, seconds*slowRate)
			rand.Read(content)
			m.image = newImageOfClient(t, c.name, content)
			begin := time.Now()
			m.works(pusher, "push", "", "team")
			took := time.Since(begin)
			m.requests()
			said := m.front.output.String()
			t.Logf("%s: a layer of %d MiB in %v: %d tokens, %d requests with one that had expired",
				c.name, len(content)>>20, took.Round(time.Second), strings.Count(said, `"target":"/v2/token`), strings.Count(said, `"code":"token.expired"`))
			if took < time.Duration(seconds)*time.Second {
				t.Errorf("the layer was there after %v, too soon to show anything", took)
			}
			if c.prepare == nil { // the others may have it still
				m.works(puller, "pull", "team", "")
			}
		})
	}
}

// serveHere starts a gateway with the hosts of the matrix in the process of the test, after
// a change of what its configuration says of tokens.
func (r recipe) serveHere(t *testing.T, upstream string, change func(*gateway.Tokens)) front {
	t.Helper()
	f := front{&process{}, freeAddr(t), r.certificate}
	config := r.matrixFiles(t, upstream)
	text := fmt.Sprintf("listen = [%q]\n[tls]\ncert_file = %q\nkey_file = %q\n", f.addr, r.certificate.certFile, r.certificate.keyFile)
	writeFile(t, config, []byte(text+readFile(t, config)), 0o644)
	c, err := assemble.Kinds().Load(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := assemble.Build(c, nil, assemble.Surroundings{Log: slog.New(slog.NewTextHandler(&f.output, nil))})
	if err != nil {
		t.Fatal(err)
	}
	change(a.Gateway.Tokens)
	a.Gateway.AccessOut = &f.output
	g, err := gateway.New(a.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := g.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
		a.Close()
	})
	return f
}
