package main

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryShare of what the kernel grants is for the heap and the stacks; the rest is
// for what the runtime does not count.
const memoryShare = 0.9

// limitMemory has the garbage collector work harder as the program comes near to the
// memory that its control group may have, beyond which the kernel kills it. GOMEMLIMIT,
// where it is set, says it better.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := groupMemory(os.DirFS("/")); limit < math.MaxInt64 {
		debug.SetMemoryLimit(int64(float64(limit) * memoryShare))
	}
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
