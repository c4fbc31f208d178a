package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"gatehouse/backend/watch"
)

// sum tells one content from another.
type sum [sha256.Size]byte

// maxSummed bounds the size of files whose content is looked at. Of what is larger,
// such as a file of a million users, size and time have to do.
const maxSummed = 16 << 20

// sumOfFile returns the sum of all that makes a difference to whoever reads the file
// at path: its content, its mode, and why it cannot be read.
func sumOfFile(path string) sum {
	text, mode, err := watch.Read(path, watch.Limits{MaxSize: maxSummed})
	if err != nil {
		if info, err := os.Stat(path); err == nil {
			text = fmt.Sprint(info.Size(), info.ModTime())
		}
	}
	return sha256.Sum256(fmt.Appendf(nil, "%v\n%v\n%s", mode, err, text))
}

// sumsOf returns the sums of the files at paths.
func sumsOf(paths []string) map[string]sum {
	sums := make(map[string]sum, len(paths))
	for _, path := range paths {
		sums[path] = sumOfFile(path)
	}
	return sums
}
