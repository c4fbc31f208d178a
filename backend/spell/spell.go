// Package spell finds the word that was meant by a misspelt one.
package spell

import (
	"fmt"
	"strings"
)

// DidYouMean returns a question that names the word of known nearest to word,
// or nothing where none is near. Letter case does not count.
func DidYouMean(word string, known []string) string {
	best := Nearest(word, known, min(3, len(word)/3+1))
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// Nearest returns the word of known that is nearest to word, and nothing where more than
// so many letters differ. Letter case does not count.
func Nearest(word string, known []string, differ int) string {
	best := ""
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d <= differ {
			best, differ = k, d-1
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
