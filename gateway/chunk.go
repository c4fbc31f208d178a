package gateway

import (
	"bufio"
	"errors"
	"io"
)

// Limits of the parts of a chunked body that carry no data. They are otherwise
// a way to make a proxy work without end for a body of nothing.
const (
	maxChunkLine    = 256 // bytes of a chunk-size line with its extensions
	maxExtensions   = 8 << 10
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
	extra int    // bytes of the extensions of all chunks
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
	digit, isHex := unhex(c)
	switch {
	case s.state == chunkSizeLF:
		return s.endSizeLine(c)
	case s.state == chunkSizeStart && isHex:
		s.size, s.state = uint64(digit), chunkSize
	case s.state == chunkSize && isHex && s.line < 16: // no overflow
		s.size = s.size<<4 | uint64(digit)
	case s.state == chunkSize && c == ';':
		s.state = chunkExtension
	case s.state != chunkSizeStart && c == '\r':
		s.state = chunkSizeLF
	case s.state == chunkExtension && s.extra < maxExtensions && (c >= ' ' && c != 0x7f || c == '\t'):
		s.extra++
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
	case s.named && (c >= ' ' && c != 0x7f || c == '\t'), tokenBytes[c]:
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

// skipTrailers reads the lines behind the last chunk. Trailers are dropped: no
// client asks for them, and they come too late for any check.
func skipTrailers(br *bufio.Reader) error {
	for read := 0; read < maxTrailerBytes; {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		switch {
		case len(line) < 2 || line[len(line)-2] != '\r':
			return errBareLF
		case len(line) == 2:
			return nil
		}
		if _, _, err := parseField(line[:len(line)-2]); err != nil {
			return err
		}
		read += len(line)
	}
	return errChunk
}
