package shown

import (
	"io"
	"unicode/utf8"
)

// Writer hands text on to another writer with its invisible characters escaped, but
// for newlines and tabs. The escapes are those of JSON: what is written may also be
// JSON, and means the same then. A Writer may be used by several goroutines if the
// other writer may, and if none of them writes half a character.
type Writer struct {
	out io.Writer
}

// NewWriter returns a writer that hands text on to out.
func NewWriter(out io.Writer) *Writer { return &Writer{out} }

// Behind returns the writer that text is handed on to, for those who have to know
// whether it is a terminal.
func (w *Writer) Behind() io.Writer { return w.out }

// Write writes the whole of p, or fails.
func (w *Writer) Write(p []byte) (int, error) {
	if isClean(p) {
		return w.out.Write(p)
	}
	if _, err := w.out.Write(appendText(make([]byte, 0, len(p)+64), p, isLayout)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// isClean reports whether p is of visible ASCII characters, newlines and tabs.
func isClean(p []byte) bool {
	for _, c := range p {
		if (c < ' ' && c != '\n' && c != '\t') || c >= utf8.RuneSelf-1 {
			return false
		}
	}
	return true
}
