package gateway

// HashMemoryUse is how full the memory for password hashes is.
type HashMemoryUse struct {
	Used    int // bytes, by hashes that are being computed
	Max     int // bytes that there may be
	Waiting int // logins that wait for some
}

// SetHashMemory says how to find out how full the memory for password hashes is. The
// function may be called from any number of goroutines.
func (m *Metrics) SetHashMemory(use func() HashMemoryUse) { m.hashMemory.Store(&use) }
