package gateway

import "errors"

// Limits of the parts of a chunked body that carry no data. They are otherwise
// a way to make a proxy work without end for a body of nothing.
const (
	maxChunkLine    = 256 // bytes of a chunk-size line with its extensions
	maxTrailerBytes = 8 << 10
)

var errChunk = errors.New("malformed chunked body")

// chunkScanner follows the grammar of a chunked body (RFC 9112, section 7.1) as
// its bytes pass, to the letter: every line ends in CRLF, sizes are plain hex.
// Servers that forgive more than others have disagreed about where a body ends,
// which lets its tail pass as somebody's next request.
type chunkScanner struct {
	state chunkState
	size  uint64 // of the current chunk; data bytes left of it
	line  int    // bytes of the current line, or of all trailer lines
	empty bool   // the current trailer line has no byte yet
	named bool   // the current trailer line has had its colon
}

type chunkState int

const (
	chunkSizeStart chunkState = iota
	chunkSize
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkTrailerLF
	chunkEnd
)

// scan goes through p and returns how many of its bytes belong to the body;
// done says that the body ends with them.
func (s *chunkScanner) scan(p []byte) (n int, done bool, err error) {
	for n < len(p) {
		if s.state == chunkData {
			skip := min(s.size, uint64(len(p)-n))
			n += int(skip)
			s.size -= skip
			if s.size == 0 {
				s.state = chunkDataCR
			}
			continue
		}
		if err := s.step(p[n]); err != nil {
			return n, false, err
		}
		n++
		if s.state == chunkEnd {
			return n, true, nil
		}
	}
	return n, false, nil
}

// step takes one byte outside of chunk data.
func (s *chunkScanner) step(c byte) error {
	switch s.state {
	case chunkSizeStart, chunkSize, chunkExtension, chunkSizeLF:
		return s.sizeLine(c)
	case chunkDataCR:
		return s.expect(c, '\r', chunkDataLF)
	case chunkDataLF:
		return s.expect(c, '\n', chunkSizeStart)
	default:
		return s.trailer(c)
	}
}

// sizeLine takes one byte of the line that opens a chunk.
func (s *chunkScanner) sizeLine(c byte) error {
	if s.line++; s.line > maxChunkLine {
		return errChunk
	}
	digit, isHex := hexDigit(c)
	switch {
	case s.state == chunkSizeLF:
		return s.endSizeLine(c)
	case s.state == chunkSizeStart && isHex:
		s.size, s.state = digit, chunkSize
	case s.state == chunkSize && isHex && s.line < 16: // no overflow
		s.size = s.size<<4 | digit
	case s.state == chunkSize && c == ';':
		s.state = chunkExtension
	case s.state != chunkSizeStart && c == '\r':
		s.state = chunkSizeLF
	case s.state == chunkExtension && (c >= ' ' && c != 0x7f || c == '\t'):
	default:
		return errChunk
	}
	return nil
}

func (s *chunkScanner) endSizeLine(c byte) error {
	s.line = 0
	if s.size > 0 {
		return s.expect(c, '\n', chunkData)
	}
	s.empty = true
	return s.expect(c, '\n', chunkTrailer)
}

// trailer takes one byte of the lines behind the last chunk.
func (s *chunkScanner) trailer(c byte) error {
	if s.line++; s.line > maxTrailerBytes {
		return errChunk
	}
	switch {
	case s.state == chunkTrailerLF && s.empty:
		return s.expect(c, '\n', chunkEnd)
	case s.state == chunkTrailerLF:
		s.empty, s.named = true, false
		return s.expect(c, '\n', chunkTrailer)
	case c == '\r' && (s.empty || s.named):
		s.state = chunkTrailerLF
	case c == ':' && !s.empty:
		s.named = true
	case s.named && (c >= ' ' && c != 0x7f || c == '\t'), tokenChar[c]:
		s.empty = false
	default:
		return errChunk
	}
	return nil
}

func (s *chunkScanner) expect(c, want byte, next chunkState) error {
	if c != want {
		return errChunk
	}
	s.state = next
	return nil
}

func hexDigit(c byte) (uint64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10, true
	}
	return 0, false
}
