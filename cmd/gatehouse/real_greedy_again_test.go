package main_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http2"
)

// greedyPatience is after how long the greedy user gives up what is stuck, and asks for it
// again. What is refused is asked for again at once.
const greedyPatience = 5 * time.Second

// takeAgain2 is takeNothing2 by a client that asks again.
func (a attacker) takeAgain2() {
	c, err := a.dial("h2")
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 10})
	s := stuckStreams{attacker: a, framer: framer, open: map[uint32]bool{}, next: 1}
	for range strangerStreams {
		if s.ask() != nil {
			return
		}
	}
	for round := time.Now(); time.Now().Before(a.End); round = time.Now() {
		c.SetReadDeadline(round.Add(greedyPatience))
		if err := s.readAndAsk(); !errors.Is(err, os.ErrDeadlineExceeded) || s.again() != nil {
			return
		}
	}
}

// stuckStreams are the requests on one connection.
type stuckStreams struct {
	attacker
	framer *http2.Framer
	open   map[uint32]bool
	next   uint32
}

func (s *stuckStreams) ask() error {
	s.requests.Add(1)
	stream := s.next
	s.next += 2
	s.open[stream] = true
	return sendFields(s.framer, stream, true, ":method", "GET", ":scheme", "https", ":authority", "registry.test",
		":path", greedyPath, "authorization", greedyLogin())
}

// again gives up all streams, and asks for as many.
func (s *stuckStreams) again() error {
	given := s.open
	s.open = map[uint32]bool{}
	for stream := range given {
		if err := s.framer.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
			return err
		}
		if err := s.ask(); err != nil {
			return err
		}
	}
	return nil
}

// readAndAsk reads what comes, and asks again for what has ended.
func (s *stuckStreams) readAndAsk() error {
	for {
		f, err := s.framer.ReadFrame()
		if err != nil {
			return err
		}
		h := f.Header()
		if h.Type == http2.FrameHeaders {
			s.answers.Add(1)
		}
		if !s.open[h.StreamID] || h.Type != http2.FrameRSTStream && !(h.Type == http2.FrameData && h.Flags.Has(http2.FlagDataEndStream)) {
			continue
		}
		delete(s.open, h.StreamID)
		if err := s.ask(); err != nil {
			return err
		}
	}
}

// takeAgain1 is takeNothing1 by a client that asks again.
func (a attacker) takeAgain1() {
	c := a.say1("GET "+greedyPath, "")
	if c == nil {
		return
	}
	defer c.Close()
	givesUp := time.Now().Add(min(greedyPatience, time.Until(a.End)))
	c.SetReadDeadline(givesUp)
	for in := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		a.answers.Add(1)
		if resp.StatusCode == http.StatusOK {
			time.Sleep(time.Until(givesUp))
			return
		}
		io.Copy(io.Discard, resp.Body)
		if resp.Close {
			return
		}
		a.head1(c, "GET "+greedyPath, "")
	}
}
