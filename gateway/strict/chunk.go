package strict

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

// ErrChunk is the error for a body that breaks the grammar, or is longer than the bounds
// where it carries no data.
var ErrChunk = errors.New("malformed chunked body")

// ChunkScanner follows the grammar of a chunked body (RFC 9112, section 7.1) as
// its bytes pass, to the letter: every line ends in CRLF, sizes are plain hex.
// Servers that forgive more than others have disagreed about where a body ends,
// which lets its tail pass as somebody's next request. Its zero value stands before a
// body.
type ChunkScanner struct {
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

// Scan goes through p and returns how many of its bytes belong to the body;
// done says that the body ends with them.
func (s *ChunkScanner) Scan(p []byte) (n int, done bool, err error) {
	for n < len(p) {
		if s.state == chunkData {
			skip := min(s.size, uint64(len(p)-n))
			n += int(skip)
			s.took(int(skip))
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

// took notes that n bytes of chunk data have passed.
func (s *ChunkScanner) took(n int) {
	if s.size -= uint64(n); s.size == 0 {
		s.state = chunkDataCR
	}
}

// step takes one byte outside of chunk data.
func (s *ChunkScanner) step(c byte) error {
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
func (s *ChunkScanner) sizeLine(c byte) error {
	if s.line++; s.line > maxChunkLine {
		return ErrChunk
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
		return ErrChunk
	}
	return nil
}

func (s *ChunkScanner) endSizeLine(c byte) error {
	s.line = 0
	if s.size > 0 {
		return s.expect(c, '\n', chunkData)
	}
	s.empty = true
	return s.expect(c, '\n', chunkTrailer)
}

// trailer takes one byte of the lines behind the last chunk.
func (s *ChunkScanner) trailer(c byte) error {
	if s.line++; s.line > maxTrailerBytes {
		return ErrChunk
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
		return ErrChunk
	}
	return nil
}

func (s *ChunkScanner) expect(c, want byte, next chunkState) error {
	if c != want {
		return ErrChunk
	}
	s.state = next
	return nil
}

// chunkedReader reads the content of a chunked body. It takes from br what belongs
// to the body and nothing behind it. Trailers are dropped: no client asks for them,
// and they come too late for any check.
type chunkedReader struct {
	br *bufio.Reader
	ChunkScanner
}

// NewChunkedReader returns a reader of the chunked body that br stands before. At the end
// of the body it returns [io.EOF], for a body that breaks the grammar [ErrChunk], and for
// one that the connection breaks off [io.ErrUnexpectedEOF].
func NewChunkedReader(br *bufio.Reader) io.Reader { return &chunkedReader{br: br} }

// Read implements [io.Reader]. It waits for more to come only while p is empty.
func (r *chunkedReader) Read(p []byte) (n int, err error) {
	for err == nil && n < len(p) && (n == 0 || r.br.Buffered() > 0) {
		if r.state == chunkData {
			var m int
			m, err = r.readData(p[n:])
			n += m
			continue
		}
		if err = r.readOther(); err == nil && r.state == chunkEnd {
			err = io.EOF
		}
	}
	return n, err
}

// readData reads data of the current chunk.
func (r *chunkedReader) readData(p []byte) (int, error) {
	n, err := r.br.Read(p[:min(uint64(len(p)), r.size)])
	r.took(n)
	return n, BrokenOff(err)
}

// readOther reads a byte outside of chunk data.
func (r *chunkedReader) readOther() error {
	c, err := r.br.ReadByte()
	if err != nil {
		return BrokenOff(err)
	}
	return r.step(c)
}

// BrokenOff returns what err, of a read before the end of a body, means: [io.EOF] is
// [io.ErrUnexpectedEOF] there.
func BrokenOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
