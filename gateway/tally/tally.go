// Package tally counts how many there are of each: connections of a network, requests of a
// client. It imports nothing of this module.
package tally

// Of counts by key. It holds no key of which there is none, so that it grows no larger
// than what is counted. It may be used by one goroutine at a time.
type Of[K comparable] map[K]int

// Add counts one more.
func (t Of[K]) Add(key K) { t[key]++ }

// Drop counts one less. It does nothing for a key of which there is none.
func (t Of[K]) Drop(key K) {
	if t[key]--; t[key] <= 0 {
		delete(t, key)
	}
}
