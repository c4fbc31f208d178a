package owntoken

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"gatehouse/backend/fault"
)

// read reads all lines. A last one without an end was cut by a crash, unless it is whole.
func (j *Journal) read() (lines int, err error) {
	j.tokens = newTable()
	r := bufio.NewReaderSize(j.file, 1<<20)
	for {
		line, err := readLine(r)
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return lines, nil
		case errors.Is(err, io.EOF):
			if c, err := j.parse(line); err == nil {
				j.tokens.do(&c)
				return lines + 1, j.end(line)
			}
			return lines, nil
		case err != nil:
			return 0, fault.File(fmt.Errorf("%s:%d: %w", j.path, lines+1, err))
		}
		c, err := j.parse(line)
		if err != nil {
			return 0, fault.File(fmt.Errorf("%s:%d: %w; put the file back from a copy, or take the line out if you know what it was", j.path, lines+1, err))
		}
		j.tokens.do(&c)
		j.size += int64(len(line)) + 1
		lines++
	}
}

// end writes the end of a last line that is whole but for that.
func (j *Journal) end(line []byte) error {
	if _, err := j.file.Write([]byte("\n")); err != nil {
		return fault.File(err)
	}
	j.size += int64(len(line)) + 1
	return nil
}

var errLongLine = errors.New("the line is longer than 16 MiB")

// readLine reads a line without its end. Its error is io.EOF for a line that has none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(line, []byte("\n")), err
		}
	}
}

// parse reads a line, and checks it against those before.
func (j *Journal) parse(line []byte) (c Change, err error) {
	if err := json.Unmarshal(line, &c, json.RejectUnknownMembers(true)); err != nil {
		return c, errors.New("it is not what gatehouse writes there")
	}
	return c, j.tokens.check(&c)
}
