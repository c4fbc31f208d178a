package listing

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRead(t *testing.T) {
	k := Kind{Key: "tags"}
	for text, want := range map[string][]string{
		`{"tags":["a","b"]}`: {"a", "b"},
		"{\"name\":\"x\",\"tags\":[\"a\"],\"y\":{\"z\":[1,{}]}}\n": {"a"},
		`{"tags":null}`:         nil,
		`{"tags":[]}`:           nil,
		`{"tags":["\u0061\n"]}`: {"a\n"},
	} {
		var got []string
		if err := k.Read(iotest.OneByteReader(strings.NewReader(text)), func(name string) error { got = append(got, name); return nil }); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	k := Kind{Key: "tags"}
	long := strings.Repeat("a", 1<<20)
	for what, text := range map[string]string{
		"nothing":           ``,
		"another key":       `{"repositories":[]}`,
		"an array":          `["a"]`,
		"null":              `null`,
		"a page":            `<html>`,
		"no array":          `{"tags":"a"}`,
		"a number":          `{"tags":["a",1]}`,
		"an array in it":    `{"tags":["a",["b"]]}`,
		"no end":            `{"tags":["a"`,
		"no end of it":      `{"tags":["a"]`,
		"something behind":  `{"tags":["a"]}{}`,
		"the key twice":     `{"tags":["a"],"tags":["b"]}`,
		"a long name":       `{"tags":["` + long + `"]}`,
		"a long value":      `{"x":"` + long + `","tags":[]}`,
		"a long blank":      `{"tags":[` + strings.Repeat(" ", 1<<20) + `]}`,
		"names without end": `{"tags":[` + strings.Repeat(`"`+strings.Repeat("a", 1000)+`",`, 70_000) + `"a"]}`,
	} {
		if err := k.Read(strings.NewReader(text), func(string) error { return nil }); !errors.Is(err, ErrList) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadTellsThatItBrokeOff(t *testing.T) {
	broken := io.MultiReader(strings.NewReader(`{"tags":["a",`), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := (Kind{Key: "tags"}).Read(broken, func(string) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestSeal(t *testing.T) {
	s := NewSeal()
	at := Position{After: "team/secret", Floor: "m"}
	place := s.Close("/v2/_catalog", at)
	if !IsSealed(place) || strings.Contains(place, "secret") || place == s.Close("/v2/_catalog", at) {
		t.Errorf("%q", place)
	}
	if longer := s.Close("/v2/_catalog", Position{After: "team/secret-of-another-length", Floor: "m"}); len(longer) != len(place) {
		t.Errorf("%q tells how long the name is", longer)
	}
	if got, err := s.Open("/v2/_catalog", place); got != at || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for what, open := range map[string]func() (Position, error){
		"another list":    func() (Position, error) { return s.Open("/v2/x/tags/list", place) },
		"another process": func() (Position, error) { return NewSeal().Open("/v2/_catalog", place) },
		"changed":         func() (Position, error) { return s.Open("/v2/_catalog", place[:10]+other(place[10])+place[11:]) },
		"cut":             func() (Position, error) { return s.Open("/v2/_catalog", place[:20]) },
		"empty":           func() (Position, error) { return s.Open("/v2/_catalog", "~") },
		"no base64":       func() (Position, error) { return s.Open("/v2/_catalog", "~%") },
	} {
		if at, err := open(); !errors.Is(err, ErrSeal) || at != (Position{}) {
			t.Errorf("%s: %v, %v", what, at, err)
		}
	}
}

// other returns another character than c, of those that a place has.
func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
