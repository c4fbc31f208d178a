package watch

import (
	"crypto/sha256"
	"fmt"
	"os"
)

// Sum tells one state of a file from another.
type Sum [sha256.Size]byte

// maxSummed bounds the size of files whose content is looked at. Of what is larger,
// such as a file of a million users, size and time have to do.
const maxSummed = 16 << 20

// SumOf returns the sum of all that makes a difference to whoever reads the file
// at path: its content, its mode, and why it cannot be read.
func SumOf(path string) Sum {
	text, mode, err := Read(path, Limits{MaxSize: maxSummed})
	if err != nil {
		if info, err := os.Stat(path); err == nil {
			text = fmt.Sprint(info.Size(), info.ModTime())
		}
	}
	return sha256.Sum256(fmt.Appendf(nil, "%v\n%v\n%s", mode, err, text))
}

// SumsOf returns the sums of the files at paths.
func SumsOf(paths []string) map[string]Sum {
	sums := make(map[string]Sum, len(paths))
	for _, path := range paths {
		sums[path] = SumOf(path)
	}
	return sums
}
