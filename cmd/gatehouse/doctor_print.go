package main

import (
	"fmt"
	"io"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/shown"
)

// diagnosis is what doctor prints with -o json.
type diagnosis struct {
	File  string    `json:"file"`
	OK    bool      `json:"ok"`
	Steps []finding `json:"steps"`
}

// finding is one step of a diagnosis.
type finding struct {
	Backend string   `json:"backend"`
	Step    string   `json:"step"`
	Subject string   `json:"subject"`
	OK      bool     `json:"ok"`
	Text    string   `json:"text,omitempty"`
	Details []string `json:"details,omitempty"`
	Code    string   `json:"code,omitempty"`
	Advice  string   `json:"advice,omitempty"`
	Command string   `json:"command,omitempty"`
	Seconds float64  `json:"seconds"`
}

func newFinding(name string, f backend.Finding) finding {
	return finding{name, f.Step, f.Subject, !f.Failed, f.Text, f.Details, string(f.Code), f.Advice, f.Command, f.Took.Seconds()}
}

func (d *diagnosis) add(f finding) {
	d.Steps = append(d.Steps, f)
	d.OK = d.OK && f.OK
}

// failed counts the steps that did not go well.
func (d *diagnosis) failed() (n int) {
	for _, f := range d.Steps {
		if !f.OK {
			n++
		}
	}
	return n
}

func (d *diagnosis) print(out io.Writer) error { return printJSON(out, d) }

// print writes a finding for people: what was tried, what came of it, what to do
// about it, and how to try it by hand. What a directory says may be meant for the
// terminal.
func (f finding) print(out io.Writer) {
	mark := "ok  "
	if !f.OK {
		mark = "FAIL"
	}
	took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Microsecond)
	fmt.Fprintf(out, "%s  %s  %s %s  (%v)\n", mark, shown.Text(f.Backend), f.Step, shown.Text(f.Subject), took)
	line := func(mark, text string) {
		if text != "" {
			fmt.Fprintf(out, "      %s%s\n", mark, shown.Text(text))
		}
	}
	line("", f.Text)
	for _, text := range f.Details {
		line("  ", text)
	}
	line("code ", f.Code)
	line("-> ", f.Advice)
	line("$ ", f.Command)
}
