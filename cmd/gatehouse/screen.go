package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"gatehouse/backend/shown"
)

// screen is where text for people goes.
type screen struct {
	out    io.Writer // escapes what is invisible
	raw    io.Writer // behind it, for the sequences of colours; nil where there are none
	width  int       // of a line, in characters
	colour bool
}

// widthUnknown is that of a line where no terminal tells.
const widthUnknown = 80

// newScreen returns the screen that out leads to. A terminal has colours unless
// NO_COLOR is set; see https://no-color.org.
func newScreen(out io.Writer) screen {
	s := screen{out: out, width: widthUnknown}
	w, ok := out.(*shown.Writer)
	if !ok {
		return s
	}
	file, ok := w.Behind().(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return s
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		s.width = max(width, minWidth)
	}
	if os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		s.raw, s.colour = file, true
	}
	return s
}

// minWidth leaves room for the words of a line beside its indentation.
const minWidth = 40

// hue is a colour of a screen, as in ECMA-48.
type hue string

const (
	red    hue = "\x1b[31m"
	green  hue = "\x1b[32m"
	yellow hue = "\x1b[33m"
	plain  hue = "\x1b[0m"
)

// paint writes text in a colour.
func (s screen) paint(h hue, text string) {
	if s.colour {
		io.WriteString(s.raw, string(h))
	}
	io.WriteString(s.out, text)
	if s.colour {
		io.WriteString(s.raw, string(plain))
	}
}

// line writes text as one line that begins at a column, and ends it where the screen
// does.
func (s screen) line(column int, text string) {
	text = shown.Text(text)
	if room := s.width - column; utf8.RuneCountInString(text) > room {
		text = strings.TrimRight(string([]rune(text)[:room-1]), " ") + "…"
	}
	io.WriteString(s.out, text+"\n")
}

// paragraph writes text in lines that the screen is wide enough for. The first begins
// with mark, and all with blanks of its width.
func (s screen) paragraph(indent int, mark, text string) {
	if text == "" {
		return
	}
	for _, line := range wrap(shown.Text(text), s.width-indent-utf8.RuneCountInString(mark)) {
		io.WriteString(s.out, strings.Repeat(" ", indent)+mark+line+"\n")
		mark = strings.Repeat(" ", utf8.RuneCountInString(mark))
	}
}

// command writes a command line of a shell so that it can be copied: what goes on in
// the next line ends in a backslash.
func (s screen) command(indent int, text string) {
	if text == "" {
		return
	}
	mark := "$ "
	for _, line := range wrapCommand(shown.Text(text), s.width-indent-len(mark)) {
		io.WriteString(s.out, strings.Repeat(" ", indent)+mark+line+"\n")
		mark = "  "
	}
}

// wrap cuts text at blanks into lines of width characters. A word that is longer is cut,
// too.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch joined := strings.TrimPrefix(line+" "+word, " "); {
		case utf8.RuneCountInString(joined) <= width:
			line = joined
			continue
		case line != "":
			lines = append(lines, line)
		}
		for line = word; utf8.RuneCountInString(line) > width; {
			r := []rune(line)
			lines, line = append(lines, string(r[:width])), string(r[width:])
		}
	}
	return append(lines, line)
}

// wrapCommand cuts a command at the blanks between its words, and at no blank in quotes.
// A word that is longer than a line stays whole.
func wrapCommand(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range commandWords(text) {
		joined := strings.TrimPrefix(line+" "+word, " ")
		if line != "" && utf8.RuneCountInString(joined)+len(` \`) > width {
			lines = append(lines, line+` \`)
			joined = word
		}
		line = joined
	}
	return append(lines, line)
}

// commandWords returns the words of a command as they stand there, with their quotes.
func commandWords(text string) []string {
	var words []string
	var word strings.Builder
	quote := rune(0)
	for _, r := range text {
		switch {
		case quote == 0 && r == ' ':
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
			continue
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		}
		word.WriteRune(r)
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}
