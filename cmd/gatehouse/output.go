package main

import (
	"errors"

	"github.com/spf13/pflag"
)

// outputFormat is the value of -o: for people, or for machines.
type outputFormat string

const (
	outputText outputFormat = "text"
	outputJSON outputFormat = "json"
)

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
