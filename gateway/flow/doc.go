// Package flow holds what bodies move by in either direction: buffers, and deadlines that
// are put off as long as bytes move. It imports nothing of this module.
package flow
