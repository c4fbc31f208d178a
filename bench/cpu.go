package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor times in /proc/PID/stat: USER_HZ, which is 100
// on every architecture that Go knows (proc(5), sysconf(3)).
const tick = 10 * time.Millisecond

// procStat is what bench needs of a line of /proc/PID/stat.
type procStat struct {
	pid      int
	group    int
	own      time.Duration // user and system time, of all threads
	children time.Duration // the same of children that ended and were waited for
}

// parseStat reads a line of /proc/PID/stat. The program's name, which stands in
// parentheses, may itself hold blanks and parentheses.
func parseStat(line string) (procStat, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return procStat{}, fmt.Errorf("read processor time: no program name in %q", line)
	}
	fields := strings.Fields(line[end+1:]) // begins with field 3 of proc(5), the state
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("read processor time: too few fields in %q", line)
	}
	var errs []error
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		errs = append(errs, err)
		return n
	}
	s := procStat{
		pid:      number(strings.TrimSpace(line[:open])),
		group:    number(fields[2]),
		own:      time.Duration(number(fields[11])+number(fields[12])) * tick,
		children: time.Duration(number(fields[13])+number(fields[14])) * tick,
	}
	if err := errors.Join(errs...); err != nil {
		return procStat{}, fmt.Errorf("read processor time: %w", err)
	}
	return s, nil
}

// groupStats finds the processes of a process group.
func groupStats(group int) ([]procStat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var members []procStat
	for _, file := range files {
		line, err := os.ReadFile(file)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read processor time: %w", err)
		}
		s, err := parseStat(string(line))
		if err != nil {
			return nil, err
		}
		if s.group == group {
			members = append(members, s)
		}
	}
	if len(members) == 0 {
		return nil, errExited
	}
	return members, nil
}

// gone says that a process ended while its files were being looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// groupCPU is the processor time that a group has used so far, including that
// of workers which the leader has replaced.
func groupCPU(group int) (time.Duration, error) {
	members, err := groupStats(group)
	var sum time.Duration
	for _, s := range members {
		sum += s.own
		if s.pid == group {
			sum += s.children
		}
	}
	return sum, err
}

// groupRSS is the resident memory of a group in bytes. Pages that processes
// share count once for each.
func groupRSS(group int) (int64, error) {
	members, err := groupStats(group)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, s := range members {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read memory: %w", err)
		}
		n, err := parseRSS(string(status))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// parseRSS finds the resident memory in /proc/PID/status, in bytes. A process
// that has ended and was not waited for yet has none.
func parseRSS(status string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, nil
}
