package main

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend/shown"
)

// completer returns what a shell may complete words to: the values of a flag, or the
// arguments that follow args.
type completer func(cmd *cobra.Command, args []string) []string

// flagValues has the flags whose values are known, by name.
var flagValues = map[string]completer{
	"output":  fixed(string(outputText), string(outputJSON)),
	"backend": fromConfig(func(a *assembly) []string { return a.config.backendNames() }),
	"host":    fromConfig(routeHosts),
	"user":    fromConfig(knownUsers),
	"as":      fromConfig(knownUsers),
	"group":   fromConfig(knownGroups),
	"groups":  fromConfig(knownGroups),
}

// argValues has the commands whose arguments are known, by their names. Of others that
// take any, the shell completes the names of files.
var argValues = map[string]completer{
	"explain": completeQuestion,
	"can-i":   completeQuestion,
	"whoami":  firstArg(fromConfig(knownUsers)),
	"probe":   firstArg(fromConfig(func(a *assembly) []string { return a.config.backendNames() })),
}

// completeValues has a command and all below it complete values, where they are known
// and the flag is none for a file.
func completeValues(cmd *cobra.Command) {
	for name, values := range flagValues {
		if cmd.Flags().Lookup(name) != nil && !(cmd.Name() == "serve" && name == "groups") {
			_ = cmd.RegisterFlagCompletionFunc(name, values.forShell) // which fails for no flag that there is
		}
	}
	if values, ok := argValues[cmd.Name()]; ok {
		cmd.ValidArgsFunction = values.forShell
	}
	for _, sub := range cmd.Commands() {
		completeValues(sub)
	}
}

// forShell returns those values that begin as the word does. Names that a shell would
// have to quote are left out, and what a name holds is never a description.
func (c completer) forShell(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	values := c(cmd, args)
	values = slices.DeleteFunc(values, func(value string) bool {
		return !strings.HasPrefix(value, word) || value != shown.Text(value) || strings.ContainsAny(value, " \t\"'\\$`")
	})
	slices.Sort(values)
	return slices.Compact(values), cobra.ShellCompDirectiveNoFileComp
}

func fixed(values ...string) completer {
	return func(*cobra.Command, []string) []string { return slices.Clone(values) }
}

// firstArg completes one argument only.
func firstArg(c completer) completer {
	return func(cmd *cobra.Command, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return c(cmd, args)
	}
}

// fromConfig completes to what a configuration has, of which the command line names the
// file. Without one that can be used there is nothing to say.
func fromConfig(values func(*assembly) []string) completer {
	return func(cmd *cobra.Command, _ []string) []string {
		c, _, err := loadNamed(cmd)
		if err != nil {
			return nil
		}
		c.Tests = nil
		a := c.assemble(slog.New(slog.DiscardHandler))
		defer a.close()
		return values(a)
	}
}

// rosters returns the backends that can list their users.
func (a *assembly) rosters() []roster {
	var all []roster
	for _, name := range a.config.backendNames() {
		if r, ok := a.stack(name).leaf.(roster); ok {
			all = append(all, r)
		}
	}
	return all
}

func knownUsers(a *assembly) (names []string) {
	for _, r := range a.rosters() {
		names = append(names, r.UserNames()...)
	}
	return names
}

func knownGroups(a *assembly) (names []string) {
	for _, r := range a.rosters() {
		names = append(names, r.GroupNames()...)
	}
	return names
}

func routeHosts(a *assembly) (names []string) {
	for _, r := range a.config.Routes {
		names = append(names, r.hosts()...)
	}
	return names
}

// completeQuestion completes what explain and can-i are asked about: an operation, or a
// method and the path of a route.
func completeQuestion(cmd *cobra.Command, args []string) []string {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	switch {
	case len(args) == 0:
		return append(verbs(), methods...)
	case len(args) == 1 && slices.Contains(methods, args[0]):
		return fromConfig(func(a *assembly) (paths []string) {
			for _, r := range a.config.Routes {
				paths = append(paths, r.Path)
			}
			return paths
		})(cmd, nil)
	}
	return nil
}
