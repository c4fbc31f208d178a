package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"gatehouse/backend/shown"
)

// outputFormat is the value of -o: for people, or for machines.
type outputFormat string

const (
	outputText outputFormat = "text"
	outputJSON outputFormat = "json"
)

// tableRow returns a row for a tabwriter. No cell of it can make another one.
func tableRow(cells []string) string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = shown.Text(cell)
	}
	return strings.Join(texts, "\t")
}

// outputFlag adds -o to flags.
func outputFlag(flags *pflag.FlagSet, o *outputFormat, usage string) {
	*o = outputText
	flags.VarP(o, "output", "o", usage)
}

// String returns the format as it is written.
func (o *outputFormat) String() string { return string(*o) }

// Set takes a format that there is.
func (o *outputFormat) Set(text string) error {
	switch f := outputFormat(text); f {
	case outputText, outputJSON:
		*o = f
		return nil
	}
	return errors.New("want text or json")
}

// Type says in --help what kind of value the flag has.
func (o *outputFormat) Type() string { return "FORMAT" }
