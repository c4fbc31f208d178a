package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is everything that a run has to say.
type report struct {
	Machine  string      `json:"machine"`
	Setting  string      `json:"setting"`
	Servers  []program   `json:"servers"`
	Absent   []absent    `json:"absent,omitempty"`
	Measures []reportRow `json:"measures"`
}

type program struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Suite   string `json:"cipher_suite,omitempty"`
}

type reportRow struct {
	measure
	Cells map[string]cell `json:"servers"` // by server
	Goal  string          `json:"goal,omitempty"`
}

// cell is what a server showed of a measure over all rounds.
type cell struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// goal is what gatehouse wants to reach against rivals.
type goal struct {
	text   string
	rivals []string
	strict bool // better, not just as good
}

func newReport(o options, f *field, results sheet) report {
	r := report{
		Machine: fmt.Sprintf("%d CPUs, %s %s/%s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH),
		Setting: setting(o),
		Absent:  f.absent,
	}
	for _, s := range f.servers {
		r.Servers = append(r.Servers, program{s.name, s.version, s.suite})
	}
	for _, m := range measures(o) {
		row := reportRow{measure: m, Cells: map[string]cell{}}
		for server, values := range results[m.Key] {
			row.Cells[server] = summarize(values)
		}
		row.Goal = m.goal.judge(row.Cells)
		r.Measures = append(r.Measures, row)
	}
	return r
}

func setting(o options) string {
	logs := "access logs on"
	if !o.accessLog {
		logs = "access logs off"
	}
	hash := o.hash
	if hash == "bcrypt" {
		hash = fmt.Sprintf("bcrypt of cost %d", bcryptCost)
	}
	return fmt.Sprintf("TLS 1.3, ECDSA P-256, X25519; %d users, %s (haproxy: clear text); %s; %d connections; median (least–most) of %d rounds",
		userCount, hash, logs, o.conns, o.rounds)
}

// judge says whether gatehouse reaches the goal, where both sides were measured.
func (g goal) judge(cells map[string]cell) string {
	own, found := cells["gatehouse"]
	if !found {
		return g.text
	}
	var missed []string
	var asked bool
	for _, name := range g.rivals {
		rival, found := cells[name]
		asked = asked || found
		if found && (own.Median > rival.Median || g.strict && own.Median == rival.Median) {
			missed = append(missed, name)
		}
	}
	switch {
	case !asked:
		return g.text
	case len(missed) > 0:
		return g.text + ": missed (" + strings.Join(missed, ", ") + ")"
	}
	return g.text + ": reached"
}

func (r report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r report) writeText(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s\n", r.Machine, r.Setting)
	for _, p := range r.Servers {
		fmt.Fprintf(w, "  %s: %s\n", p.Name, strings.TrimSpace(p.Version+" "+p.Suite))
	}
	for _, a := range r.Absent {
		fmt.Fprintf(w, "  %s: left out: %s\n", a.Name, a.Why)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "measure\tunit")
	for _, p := range r.Servers {
		fmt.Fprint(t, "\t"+p.Name)
	}
	fmt.Fprintln(t, "\tgoal")
	for _, row := range r.Measures {
		fmt.Fprint(t, row.Title+"\t"+row.Unit)
		for _, p := range r.Servers {
			c, found := row.Cells[p.Name]
			fmt.Fprint(t, "\t"+c.text(found))
		}
		fmt.Fprintln(t, "\t"+cmp.Or(row.Goal, "-"))
	}
	return t.Flush()
}

func (c cell) text(found bool) string {
	switch {
	case !found:
		return "-"
	case c.Min == c.Max:
		return digits(c.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", digits(c.Median), digits(c.Min), digits(c.Max))
}

// digits writes a number with the three digits that mean something.
func digits(v float64) string {
	switch {
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func summarize(values []float64) cell {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return cell{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// percentile is the least of the sorted durations that p of a hundred do not
// exceed (the nearest-rank method).
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}
