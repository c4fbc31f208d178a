package main_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// The test in this file attacks the program from connections on which nobody has logged
// in. At its full size it is run with
//
//	GATEHOUSE_TEST_STRANGERS=1000 GATEHOUSE_TEST_SECONDS=60 go test ./cmd/gatehouse -v -run Strangers
const (
	strangersVariable = "GATEHOUSE_TEST_STRANGERS" // connections
	secondsVariable   = "GATEHOUSE_TEST_SECONDS"   // for how long
)

// strangerStreams is how many requests a connection has under way.
const strangerStreams = 128

// sendWrongPasswords sends requests with a wrong password, each with a part of a large
// body, as much as the connection's window allows, until the connection ends.
func (s attacker) sendWrongPasswords() {
	c, err := s.dial("h2")
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.WriteSettings()
	answered := make(chan struct{}, strangerStreams)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.Close()
	if s.Reads {
		reading.Go(func() { s.read(framer, answered) })
	}
	for stream := uint32(1); ; {
		for range strangerStreams {
			if s.send(framer, stream) != nil {
				return
			}
			stream += 2
		}
		for range strangerStreams {
			if s.Reads {
				if _, ok := <-answered; !ok {
					return
				}
			}
		}
	}
}

// read takes the answers, and says when each has ended.
func (s attacker) read(framer *http2.Framer, answered chan<- struct{}) {
	defer close(answered)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch h := f.Header(); {
		case h.Type == http2.FrameHeaders:
			s.answers.Add(1)
			fallthrough
		case h.Type == http2.FrameData:
			if !h.Flags.Has(http2.FlagDataEndStream) {
				continue
			}
			select {
			case answered <- struct{}{}:
			default: // a stream that was refused and reset
			}
		case h.Type == http2.FrameRSTStream:
			select {
			case answered <- struct{}{}:
			default:
			}
		}
	}
}

func (s attacker) send(framer *http2.Framer, stream uint32) error {
	password := fmt.Sprintf("%s:wrong%d", s.name, s.requests.Add(1))
	if err := sendFields(framer, stream, false, ":method", "POST", ":scheme", "https", ":authority", "registry.test", ":path", "/v2/x/blobs/uploads/",
		"authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(password)),
		"content-length", "16777216", "x-padding", strings.Repeat("x", s.Head)); err != nil {
		return err
	}
	return framer.WriteData(stream, false, make([]byte, (64<<10)/strangerStreams-1))
}

// TestSEC2StrangersTakeLittleMemory: whatever they send before anybody has logged in,
// the program stays within its memory and serves those whom it remembers.
func TestSEC2StrangersTakeLittleMemory(t *testing.T) {
	const (
		limit     = "256MiB"
		maxMemory = 200 << 20
	)
	const few = 40
	connections, seconds := scale(t, strangersVariable, few), scale(t, secondsVariable, 1)
	for name, shape := range map[string]siege{
		"who read":          {Reads: true},
		"who do not read":   {},
		"with large heads":  {Reads: true, Head: 30 << 10},
		"who do both worse": {Head: 30 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			if connections == few {
				t.Parallel() // no time is measured
			}
			r := newRecipe(t)
			addr := freeAddr(t)
			cmd := command(t, binary(t), "serve", "--listen", addr, "--cert", r.certificate.certFile, "--key", r.certificate.keyFile,
				"--upstream", blobs(t), "--users", r.usersFile, "--groups", r.groupsFile)
			cmd.Env = append(cmd.Env, "GOMEMLIMIT="+limit)
			f := front{start(t, cmd), addr, r.certificate}
			f.listening(t, addr)
			f.pull(t, nil) // and is remembered
			shape.Pause = 20 * time.Millisecond
			shape.Kind, shape.Addr, shape.CertFile, shape.Connections = "strangers", addr, r.certificate.certFile, connections
			shape.End = time.Now().Add(time.Duration(seconds) * time.Second)
			result := shape.start(t)
			times := f.pulls(t, shape.End)
			attack := result()
			peak := f.peakMemory(t)
			f.cmd.Process.Kill() // or it would first answer everybody who is still to be refused
			t.Logf("%d connections of %d streams for %d s: %s; %d pulls beside them, the median in %v, the slowest in %v; peak memory %d MiB",
				connections, strangerStreams, seconds, attack, len(times), times[len(times)/2], times[len(times)-1], peak>>20)
			if peak > maxMemory && raceFlag == "-race=false" {
				t.Errorf("the gateway took %d MiB, more than %d", peak>>20, maxMemory>>20)
			}
		})
	}
}

// pull sends a request of a user who is remembered, on a new connection if client is
// nil, which must be answered, and returns how long that took.
func (f front) pull(t *testing.T, client *http.Client) time.Duration {
	t.Helper()
	start := time.Now()
	if client == nil {
		client = f.certificate.client(f.addr)
		defer client.CloseIdleConnections()
	}
	req, err := http.NewRequest("GET", "https://registry.test/v2/app/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(puller, pullerPassword)
	resp, err := client.Do(req)
	if err != nil {
		t.Errorf("a pull of a user who is remembered, after %v: %v", time.Since(start), err)
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("a pull of a user who is remembered: %s", resp.Status)
	}
	return time.Since(start)
}
