package main

import (
	"fmt"
	"io"
	"time"

	"gatehouse/backend"
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

// state is how a step went, for people. One that went well and has advice warns.
func (f finding) state() (mark string, h hue) {
	switch {
	case !f.OK:
		return "FAIL", red
	case f.Advice != "":
		return "warn", yellow
	}
	return "ok", green
}

// print writes a finding for people: one line that says what was tried and what came of
// it, and if that was not well, all that is known, what to do about it, and how to try
// it by hand. What a directory says may be meant for the terminal.
func (f finding) print(s screen, verbose bool) {
	const indent = 6
	mark, h := f.state()
	s.paint(h, mark)
	took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Microsecond)
	head := fmt.Sprintf("%-*s%s  %s %s (%v)", indent-len(mark), "", f.Backend, f.Step, f.Subject, took)
	if brief := mark == "ok" && !verbose; brief {
		s.line(len(mark), head+colon(f.Text))
		return
	}
	s.line(len(mark), head)
	s.paragraph(indent, "", f.Text)
	for _, text := range f.Details {
		s.paragraph(indent+2, "", text)
	}
	s.paragraph(indent, "code ", f.Code)
	s.paragraph(indent, "-> ", f.Advice)
	if !f.OK || verbose {
		s.command(indent, f.Command)
	}
}

// colon returns text as what follows on a line, if there is any.
func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
