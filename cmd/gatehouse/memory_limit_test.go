package main

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestMemoryIsThatOfTheSmallestControlGroup(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, tt := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"a container": {fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("536870912\n"),
		}, 512 << 20},
		"a service": {fstest.MapFS{
			"proc/self/cgroup": file("0::/system.slice/gatehouse.service\n"),
			"sys/fs/cgroup/system.slice/gatehouse.service/memory.max": file("1073741824\n"),
			"sys/fs/cgroup/system.slice/memory.max":                   file("max\n"),
			"sys/fs/cgroup/system.slice/another.service/memory.max":   file("4096\n"),
		}, 1 << 30},
		"a service within less": {fstest.MapFS{
			"proc/self/cgroup":                           file("0::/a.slice/b.service\n"),
			"sys/fs/cgroup/a.slice/b.service/memory.max": file("1073741824\n"),
			"sys/fs/cgroup/a.slice/memory.max":           file("268435456\n"),
		}, 256 << 20},
		"no limit": {fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n"),
		}, math.MaxInt64},
		"version 1":         {fstest.MapFS{"proc/self/cgroup": file("4:memory:/user.slice\n")}, math.MaxInt64},
		"no control groups": {fstest.MapFS{}, math.MaxInt64},
	} {
		if got := groupMemory(tt.root); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestMemoryOfTheMachine(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24683504 kB\nMemFree:        24492600 kB\n": 24683504 << 10,
		"MemFree: 1 kB\n":     math.MaxInt64,
		"MemTotal: many kB\n": math.MaxInt64,
	} {
		if got := machineMemory(fstest.MapFS{"proc/meminfo": &fstest.MapFile{Data: []byte(text)}}); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
