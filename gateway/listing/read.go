package listing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gatehouse/backend/fault"
)

// Kind is which list it is.
type Kind struct {
	Key   string            // of the array in the registry's JSON
	Valid func(string) bool // whether the name can be one of those listed
}

// ErrList says that what the registry sent is no list, or one that is too long.
var ErrList = fault.Kind("upstream.answer.no_list", "upstream's answer is not the list that was asked for")

// Bounds of what is read of one answer.
const (
	maxAnswer  = 64 << 20 // bytes
	maxValue   = 64 << 10 // bytes between two things that are of use; no name is as long
	maxNesting = 16       // of objects and arrays that are not looked at
)

// Read calls each for every name in the array under the key, in its order, until that
// fails. The JSON must be complete and have the array once, or null in its place.
func (k Kind) Read(r io.Reader, each func(name string) error) error {
	in := &bounded{r: r}
	dec := json.NewDecoder(in)
	in.used = dec.InputOffset
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return broken(err)
		}
		switch {
		case key != k.Key:
			err = skip(dec)
		case found:
			err = fmt.Errorf("%w: it has %q twice", ErrList, k.Key)
		default:
			found, err = true, readNames(dec, each)
		}
		if err != nil {
			return err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: something lies behind it", ErrList)
	}
	if !found {
		return fmt.Errorf("%w: it has no %q", ErrList, k.Key)
	}
	return nil
}

func readNames(dec *json.Decoder, each func(name string) error) error {
	switch start, err := dec.Token(); {
	case err != nil:
		return broken(err)
	case start == nil:
		return nil // as some registries write a list of none
	case start != json.Delim('['):
		return fmt.Errorf("%w: the names are no array", ErrList)
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return broken(err)
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("%w: a name is no string", ErrList)
		}
		if err := each(name); err != nil {
			return err
		}
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	switch got, err := dec.Token(); {
	case err != nil:
		return broken(err)
	case got != want:
		return fmt.Errorf("%w: where %q has to stand is something else", ErrList, want.String())
	}
	return nil
}

// skip passes over one value.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return broken(err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		switch {
		case depth == 0:
			return nil
		case depth > maxNesting:
			return fmt.Errorf("%w: it is nested too deeply", ErrList)
		}
	}
}

// broken tells JSON that is none from an answer that broke off.
func broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: it is no JSON", ErrList)
	case err == io.EOF:
		return fmt.Errorf("%w: its JSON has no end", ErrList)
	}
	return err
}

// bounded reads r as long as what has been read is of use: a decoder keeps all of a value
// until its end.
type bounded struct {
	r    io.Reader
	read int64
	used func() int64 // how much the decoder has made use of
}

func (b *bounded) Read(p []byte) (int, error) {
	switch {
	case b.read > maxAnswer:
		return 0, fmt.Errorf("%w: it is longer than %d MiB", ErrList, maxAnswer>>20)
	case b.read-b.used() > maxValue:
		return 0, fmt.Errorf("%w: a value in it is longer than %d KiB", ErrList, maxValue>>10)
	}
	n, err := b.r.Read(p[:min(len(p), maxValue)])
	b.read += int64(n)
	return n, err
}
