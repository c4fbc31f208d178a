package gateway

// hashesPart is the part of the memory limit that is for password hashes.
const hashesPart = 4

// HashMemory returns how many bytes all password hashes may take that are computed at
// once. Like every other allowance of docs/limits.md it is a part of the memory limit.
func HashMemory() int { return affordable(hashesPart, 1) }
