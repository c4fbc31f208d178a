package watch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"gatehouse/backend/fault"
)

// Limits says what [Read] accepts.
type Limits struct {
	// MaxSize is the greatest size in bytes.
	MaxSize int64

	// Secret refuses a file that every user of the machine may read, as it
	// must not be for private keys and passwords. Errors do not name such a
	// file: people take a password for its path, and paste it there.
	Secret bool
}

// withoutPath returns err without the path that the system's errors carry.
func withoutPath(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// Read returns the content of the file at path, and its mode for a caller that
// has more to say about it.
//
// The path is opened once, and what was opened is judged, so that nobody can
// swap the file between check and use. It must be a regular file that neither
// its group nor everybody may write, within the limits, and must not change
// while it is read. Links are followed: Kubernetes mounts files as links.
func Read(path string, l Limits) (text string, mode fs.FileMode, err error) {
	// A FIFO that nobody writes to would block a plain open for ever, and a
	// terminal would become the one of this process.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", 0, l.fail("", path, err)
	}
	defer f.Close()
	text, mode, err = readOpen(f, l)
	if err != nil {
		return "", mode, l.fail(" "+path, path, err)
	}
	return text, mode, nil
}

// fail returns why the file at path could not be read, with a name for it where err has
// none.
func (l Limits) fail(name, path string, err error) error {
	advice := howToOpen(path, err)
	if l.Secret {
		return fault.File(fmt.Errorf("read file: %w%s", withoutPath(err), advice))
	}
	return fault.File(fmt.Errorf("read file%s: %w%s", name, err, advice))
}

func readOpen(f *os.File, l Limits) (string, fs.FileMode, error) {
	before, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	mode := before.Mode()
	if err := l.check(f.Name(), before); err != nil {
		return "", mode, err
	}
	var text strings.Builder
	text.Grow(int(before.Size()))
	n, err := io.Copy(&text, io.LimitReader(f, l.MaxSize+1))
	if err != nil {
		return "", mode, err
	}
	if n > l.MaxSize {
		return "", mode, tooLarge(l.MaxSize)
	}
	after, err := f.Stat()
	if err != nil {
		return "", mode, err
	}
	if fingerprintOf(after) != fingerprintOf(before) {
		return "", mode, fault.With("file.changing", errors.New("it changed while it was read"))
	}
	return text.String(), mode, nil
}

// check judges what was opened. A file that only has the wrong mode is named: its path is
// one, and no secret that was pasted in its place.
func (l Limits) check(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return fault.With("file.irregular", fmt.Errorf("it is not a regular file but %s", kind(mode)))
	case mode&0o022 != 0:
		return fault.With("file.writable", fmt.Errorf("its group or everybody may write to it (mode %04o); run chmod go-w %s", mode.Perm(), path))
	case l.Secret && mode&0o004 != 0:
		return fault.With("file.exposed", fmt.Errorf("everybody may read it (mode %04o), and it holds a secret; %s", mode.Perm(), HowToClose(path)))
	case info.Size() > l.MaxSize:
		return tooLarge(l.MaxSize)
	}
	return nil
}

func tooLarge(most int64) error {
	return fault.With("file.too_large", fmt.Errorf("it is larger than %d bytes", most))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}
