package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatehouse/internal/testkit"
)

// The defences below are net/http's. These tests hold it to them, and the gateway to
// not undoing them.

// priorityUpdate is a type that the standard of another document knows (RFC 9218,
// section 7.1).
const priorityUpdate = 0x10

// manyFrames is a flood of HTTP/2.
const manyFrames = 10_000

// flood sends frames of HTTP/2 until the gateway closes the connection, and reports
// whether it did. What it answers is read only if listen says so.
func flood(t *testing.T, tg *testGateway, listen bool, send func(h *h2, stream uint32) error) bool {
	t.Helper()
	h := dialH2(t, tg)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer h.conn.Close()
	if listen {
		listening.Go(func() { io.Copy(io.Discard, h.conn) })
	}
	for i := range uint32(manyFrames) {
		if send(h, 2*i+1) != nil {
			return true
		}
	}
	return false
}

// begin sends the head of a request.
func (h *h2) begin(stream uint32, end bool) error {
	return h.beginFields(stream, end, ":method", "POST", ":scheme", "https", ":authority", "localhost", ":path", "/v2/x", "authorization", basic("push"))
}

// beginFields sends a head of these names and values.
func (h *h2) beginFields(stream uint32, end bool, fields ...string) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0) // nothing is remembered from one to the next
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// Streams that are reset as soon as they are opened, by the client (CVE-2023-44487) or
// by the gateway because of what the client does to them (CVE-2025-8671), are no way
// to have more requests carried out at once than there may be streams.
func TestResetStreamsDoNotMultiplyRequests(t *testing.T) {
	const streams = 10
	for name, reset := range map[string]func(h *h2, stream uint32) error{
		"rapid reset": func(h *h2, stream uint32) error { return h.WriteRSTStream(stream, http2.ErrCodeCancel) },
		"made you reset, by a window of more than there is": func(h *h2, stream uint32) error {
			return h.WriteWindowUpdate(stream, 1<<31-1)
		},
		"made you reset, by a stream that depends on itself": func(h *h2, stream uint32) error {
			return h.WritePriority(stream, http2.PriorityParam{StreamDep: stream})
		},
		"made you reset, by a body behind the end": func(h *h2, stream uint32) error { return h.WriteData(stream, true, []byte("x")) },
	} {
		over := make(chan bool)
		up := newUpstreamScript(t, func(net.Conn, *http.Request) bool {
			<-over
			return false
		})
		tg := startGateway(t, func(c *Config) { withTLS(t)(c); c.Limits.Streams = streams }, recipeRoute(t, up.url()))
		most := 0
		flood(t, tg, true, func(h *h2, stream uint32) error {
			if stream%16 == 1 {
				most = max(most, tg.Stats().Running)
			}
			return errors.Join(h.begin(stream, true), reset(h, stream))
		})
		if most > streams {
			t.Errorf("%s: %d requests at once, more than %d", name, most, streams)
		}
		testkit.Await(t, name+": all requests have ended", func() bool { return tg.Stats().Running == 0 })
		close(over)
	}
}

// A head without an end (CVE-2023-45288) ends its connection. Frames that each cost
// their client as much as the gateway do not disturb others.
func TestFloodsOfFramesDoNotDisturbOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		send   func(h *h2, stream uint32) error
		closed bool
	}{
		"a head without an end": {func(h *h2, stream uint32) error {
			if stream == 1 {
				return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			var field bytes.Buffer
			hpack.NewEncoder(&field).WriteField(hpack.HeaderField{Name: "x", Value: string(bytes.Repeat([]byte("x"), 1000))})
			return h.WriteContinuation(1, false, field.Bytes())
		}, true},
		"a head without an end, of nothing": {func(h *h2, stream uint32) error {
			if stream == 1 {
				return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			return h.WriteContinuation(1, false, nil)
		}, false},
		"empty parts of a body": {func(h *h2, stream uint32) error {
			if stream == 1 {
				return h.begin(1, false)
			}
			return h.WriteData(1, false, nil)
		}, false},
		"pings":    {func(h *h2, stream uint32) error { return h.WritePing(false, [8]byte{}) }, false},
		"settings": {func(h *h2, stream uint32) error { return h.WriteSettings() }, false},
	} {
		tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
		closed := flood(t, tg, false, func(h *h2, stream uint32) error {
			if stream == manyFrames+1 {
				if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
					t.Errorf("%s: a good request meanwhile: status %d", name, resp.StatusCode)
				}
			}
			return tt.send(h, stream)
		})
		if tt.closed && !closed {
			t.Errorf("%s: the connection goes on", name)
		}
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: a good request afterwards: status %d", name, resp.StatusCode)
		}
	}
}

// Frames of types that nobody knows are passed over (RFC 9113, section 5.5).
func TestUnknownFramesArePassedOver(t *testing.T) {
	tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
	h := dialH2(t, tg)
	for kind := 0x0a; kind <= 0xff; kind++ {
		if kind != priorityUpdate {
			h.WriteRawFrame(http2.FrameType(kind), 0xff, 0, []byte("nonsense"))
		}
	}
	h.begin(1, true)
	if got := h.outcome(); got != "200" {
		t.Errorf("the request behind them: %s, want 200", got)
	}
}
