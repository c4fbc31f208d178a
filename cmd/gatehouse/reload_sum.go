package main

import (
	"crypto/sha256"
	"fmt"

	"gatehouse/backend/watch"
)

// sum tells one content from another.
type sum [sha256.Size]byte

// maxSummed bounds the size of files that are looked at; what is larger is refused by
// whoever reads it.
const maxSummed = 16 << 20

// sumOfFile returns the sum of all that makes a difference to whoever reads the file
// at path: its content, its mode, and why it cannot be read.
func sumOfFile(path string) sum {
	text, mode, err := watch.Read(path, watch.Limits{MaxSize: maxSummed})
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
