package main

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"gatehouse/backend/memory"
)

// memoryShare of what the kernel grants is for the heap and the stacks; the rest is
// for what the runtime does not count.
const memoryShare = 0.9

// limitMemory has the garbage collector work harder as the program comes near to the
// memory that it may have, beyond which the kernel kills it: the least of what its
// control group grants, of half of what the machine has, and of GOMEMLIMIT. What
// clients can take of the memory is measured by this limit too.
func limitMemory() {
	root := os.DirFS("/")
	granted := int64(float64(groupMemory(root)) * memoryShare)
	limit := min(granted, machineMemory(root)/2, debug.SetMemoryLimit(-1))
	memory.SetLimit(limit)
	if limit < memory.Little && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(littleGarbage)
	}
}

// Where there is little memory, garbage is collected sooner, at some cost in processor
// time: what clients can take comes to a good part of it, and must not double.
const littleGarbage = 40 // percent of what is in use

// machineMemory returns the memory of the machine.
func machineMemory(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64); err == nil {
				return kB << 10
			}
		}
	}
	return math.MaxInt64
}

// groupMemory returns the least limit of the control group that the process is in and
// of those around it, as version 2 of control groups shows them below root. In a
// container the group is the root of what is shown.
func groupMemory(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		if !ok {
			continue
		}
		for ; ; group = path.Dir(group) {
			text, _ := fs.ReadFile(root, path.Join("sys/fs/cgroup", group, "memory.max"))
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
				limit = min(limit, n) // else it is "max"
			}
			if group == "." || group == "" {
				break
			}
		}
	}
	return limit
}
