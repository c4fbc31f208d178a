package rules

import (
	"fmt"
	"slices"

	"gatehouse/backend/spell"
	"gatehouse/gateway/oci"
)

// registryWords are those that say what of a registry a path is about.
var registryWords = []string{"manifests", "blobs", "uploads", "tags", "list", "referrers", "_catalog"}

// misspelt returns q with the word that was probably meant, and what is wrong with it; an
// empty text where no word of a registry is misspelt at a place where one has to stand. A
// repository may be called as one likes, so that the place counts.
func (p *Policy) misspelt(q Pattern) (want Pattern, why string) {
	rest, below := p.belowRoot(q)
	if !below {
		return nil, ""
	}
	for i, segment := range rest {
		word := spell.Nearest(segment, registryWords, 1+min(1, len(segment)/6))
		if segment == oneSegment || segment == anySegments || slices.Contains(registryWords, segment) || !isPlaceOf(word, rest, i) {
			continue
		}
		want = slices.Clone(q)
		want[len(q)-len(rest)+i] = word
		return want, fmt.Sprintf("%s is probably %s", segment, word)
	}
	return nil, ""
}

// isPlaceOf reports whether word can stand at rest[i], below the root of a registry, and a
// segment of a repository's name hardly can.
func isPlaceOf(word string, rest Pattern, i int) bool {
	behind := append(slices.Clone(rest[i+1:]), "")[0]
	isLastButOne := i == len(rest)-2
	switch word {
	case "manifests":
		return i > 0 && isLastButOne && behind != anySegments
	case "referrers", "blobs":
		return i > 0 && (isLastButOne && (behind == oneSegment || oci.IsDigest(behind)) || word == "blobs" && behind == "uploads")
	case "uploads":
		return i > 1 && rest[i-1] == "blobs"
	case "tags":
		return i > 0 && isLastButOne && behind == "list"
	case "list":
		return i > 1 && behind == "" && rest[i-1] == "tags"
	case "_catalog":
		return i == 0 && len(rest) == 1
	}
	return false
}
