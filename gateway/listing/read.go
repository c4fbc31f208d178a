package listing

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/backend/fault"
	"gatehouse/gateway/snippet"
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
	maxAnswer = 64 << 20 // bytes
	maxValue  = 64 << 10 // bytes between two things that are of use; no name is as long
)

// Read calls each for every name in the array under the key, in its order, until that
// fails. Who keeps some of the names keeps copies; see [snippet.Pad]. The JSON must be complete, without a key twice, and have the array, or null in its
// place.
func (k Kind) Read(r io.Reader, each func(name string) error) error {
	in := &bounded{r: r}
	dec := jsontext.NewDecoder(in)
	in.used = dec.InputOffset
	if err := expect(dec, jsontext.KindBeginObject); err != nil {
		return err
	}
	found := false
	for dec.PeekKind() == jsontext.KindString {
		key, err := dec.ReadToken()
		switch {
		case err != nil:
		case key.String() == k.Key:
			found, err = true, readNames(dec, each)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return broken(err)
		}
	}
	if err := expect(dec, jsontext.KindEndObject); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return fmt.Errorf("%w: something lies behind it", ErrList)
	}
	if !found {
		return fmt.Errorf("%w: it has no %q", ErrList, k.Key)
	}
	return nil
}

func readNames(dec *jsontext.Decoder, each func(name string) error) error {
	if dec.PeekKind() == jsontext.KindNull { // as some registries write a list of none
		return dec.SkipValue()
	}
	if err := expect(dec, jsontext.KindBeginArray); err != nil {
		return err
	}
	var pad snippet.Pad
	for dec.PeekKind() == jsontext.KindString {
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name := value[1 : len(value)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			if name, err = jsontext.AppendUnquote(nil, value); err != nil {
				return err
			}
		}
		pad.Begin(len(name)).Write(name)
		if err := each(pad.Text()); err != nil {
			return err
		}
	}
	return expect(dec, jsontext.KindEndArray)
}

func expect(dec *jsontext.Decoder, want jsontext.Kind) error {
	switch got, err := dec.ReadToken(); {
	case err != nil:
		return broken(err)
	case got.Kind() != want:
		return fmt.Errorf("%w: where %s has to stand is %s", ErrList, want, got.Kind())
	}
	return nil
}

// broken tells JSON that is none from an answer that broke off.
func broken(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF) && errors.As(err, &syntax):
		return fmt.Errorf("%w: its JSON has no end", ErrList)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: it is no JSON", ErrList)
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
