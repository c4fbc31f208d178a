package gateway

// hashesPart is the part of the memory limit that is for password hashes.
const hashesPart = 4

// HashMemory returns how many bytes all password hashes may take that are computed at
// once. Like every other allowance of docs/limits.md it is a part of the memory limit.
func HashMemory() int { return Affordable(hashesPart, 1) }

// HashMemoryUse is how full the memory for password hashes is.
type HashMemoryUse struct {
	Used    int // bytes, by hashes that are being computed
	Max     int // bytes that there may be
	Waiting int // logins that wait for some
}

// SetHashMemory says how to find out how full the memory for password hashes is. The
// function may be called from any number of goroutines.
func (m *Metrics) SetHashMemory(use func() HashMemoryUse) { m.hashMemory.Store(&use) }
