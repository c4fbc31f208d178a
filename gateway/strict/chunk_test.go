package strict

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

func TestChunkScannerFindsTheEnd(t *testing.T) {
	for _, body := range []string{
		"0\r\n\r\n",
		"5\r\nhello\r\n0\r\n\r\n",
		"A\r\n0123456789\r\n00a\r\n0123456789\r\n000\r\n\r\n",
		"5;name=value;q=\"x y\"\r\nhello\r\n0;last\r\n\r\n",
		"1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n",
		"0\r\nA: b\r\nC: d\r\n\r\n",
		"00000000000005\r\nhello\r\n0\r\n\r\n",
	} {
		stream := body + "GET / HTTP/1.1\r\n"
		n, done, err := new(ChunkScanner).Scan([]byte(stream))
		if n != len(body) || !done || err != nil {
			t.Errorf("%q: %d, %v, %v, want %d", body, n, done, err, len(body))
		}
		s := new(ChunkScanner)
		for i := range len(body) { // byte by byte
			n, done, err := s.Scan([]byte(stream[i : i+1]))
			if n != 1 || done != (i == len(body)-1) || err != nil {
				t.Errorf("%q: byte %d: %d, %v, %v", body, i, n, done, err)
			}
		}
	}
}

func TestChunkScannerBoundsWhatIsNoData(t *testing.T) {
	for body, ok := range map[string]bool{
		"5;" + strings.Repeat("x", maxChunkLine-4) + "\r\nhello\r\n0\r\n\r\n":              true,
		"5;" + strings.Repeat("x", maxChunkLine-3) + "\r\nhello\r\n0\r\n\r\n":              false,
		"0\r\nA: " + strings.Repeat("x", maxTrailerBytes-7) + "\r\n\r\n":                   true,
		"0\r\nA: " + strings.Repeat("x", maxTrailerBytes-6) + "\r\n\r\n":                   false,
		strings.Repeat("1;"+strings.Repeat("x", 64)+"\r\na\r\n", maxExtensions/64):         true,
		strings.Repeat("1;"+strings.Repeat("x", 64)+"\r\na\r\n", maxExtensions/64) + "1;x": false,
		"fffffffffffffff\r\n":  true,
		"1000000000000000\r\n": false,
	} {
		if _, _, err := new(ChunkScanner).Scan([]byte(body)); (err == nil) != ok {
			t.Errorf("%.40q: %v", body, err)
		}
	}
}

// FuzzChunkScanner compares the scanner with net/http's reader: what the scanner
// takes, the reader takes with the same end.
func FuzzChunkScanner(f *testing.F) {
	for _, seed := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nrest", "00000000000000005\r\nhello\r\n0\r\n\r\n",
		"5\nhello\n0\n\n", "ffffffffffffffff\r\n", "5 \r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, done, err := new(ChunkScanner).Scan(data)
		if err != nil && !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
		if !done {
			return
		}
		br := bufio.NewReader(bytes.NewReader(data))
		body, err := io.ReadAll(httputil.NewChunkedReader(br))
		if err != nil && len(data) < 16<<10 { // beyond, the reader refuses bodies that are mostly chunk sizes
			t.Fatalf("%q: net/http does not read it: %v", data, err)
		}
		if err != nil {
			return
		}
		for line := "trailer"; line != "\r\n"; {
			if line, err = br.ReadString('\n'); err != nil {
				t.Fatalf("%q: no end of trailers behind %q: %v", data, body, err)
			}
		}
		if rest, _ := io.ReadAll(br); len(rest) != len(data)-n {
			t.Errorf("%q ends %d bytes before the end of the data, net/http says %d", data, len(data)-n, len(rest))
		}
	})
}

func TestChunkScannerRefusesOtherLineEnds(t *testing.T) {
	for _, body := range []string{
		"5\rxhello\r\n0\r\n\r\n", "5\r\rhello\r\n0\r\n\r\n", "5\r\nhello\n\n0\r\n\r\n", "5\r\nhelloxx0\r\n\r\n", "5\r\nhello\rx0\r\n\r\n",
		"0\rx\r\n", "0\r\n\rx", "0\r\nA: b\rx\r\n",
	} {
		if n, done, err := new(ChunkScanner).Scan([]byte(body)); !errors.Is(err, ErrChunk) {
			t.Errorf("%q: %d, %v, %v", body, n, done, err)
		}
	}
}
