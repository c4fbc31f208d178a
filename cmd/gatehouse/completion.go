package main

import (
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"gatehouse/backend"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway/rules"
)

// completer returns what a shell may complete words to: the values of a flag, or the
// arguments that follow args.
type completer func(cmd *cobra.Command, args []string) []string

// flagValues has the flags whose values are known, by name.
var flagValues = map[string]completer{
	"output":  fixed(string(outputText), string(outputJSON)),
	"backend": fromConfig((*config.Document).BackendNames),
	"host":    fromConfig(routeHosts),
	"user":    fromRosters(backend.Roster.UserNames),
	"as":      fromRosters(backend.Roster.UserNames),
	"group":   fromRosters(backend.Roster.GroupNames),
	"groups":  fromRosters(backend.Roster.GroupNames),
	"action":  fixed(rules.Actions...),

	"all-of-source": fromConfig((*config.Document).BackendNames),
}

// argValues has the commands whose arguments are known, by their names. Of others that
// take any, the shell completes the names of files.
var argValues = map[string]completer{
	"explain": completeQuestion,
	"can-i":   completeQuestion,
	"whoami":  firstArg(fromRosters(backend.Roster.UserNames)),
	"probe":   firstArg(fromConfig((*config.Document).BackendNames)),

	// Which tokens there are is known to the gateway that runs alone.
	"create": fixed(),
	"rotate": fixed(),
	"revoke": fixed(),
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

// forShell returns those values that begin as the word does. Names with a character that
// means something to a shell are left out: it puts them into the command line as they are.
func (c completer) forShell(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	values := c(cmd, args)
	values = slices.DeleteFunc(values, func(value string) bool {
		return !strings.HasPrefix(value, word) || value != shown.Text(value) || strings.ContainsFunc(value, meansSomething)
	})
	slices.Sort(values)
	return slices.Compact(values), cobra.ShellCompDirectiveNoFileComp
}

// meansSomething reports whether a shell may take r for more than a part of a word.
func meansSomething(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-@%+=:,/", r)
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

// fromConfig completes to what a configuration says, of which the command line names the
// file. Without one that can be used there is nothing to say. No other file is read.
func fromConfig(values func(*config.Document) []string) completer {
	return func(cmd *cobra.Command, _ []string) []string {
		c, _, err := loadNamed(cmd)
		if err != nil {
			return nil
		}
		return values(c)
	}
}

// fromRosters completes to names in the files of users and groups. No other backend is
// opened: a key that is pressed must read no password and ask no server.
func fromRosters(values func(backend.Roster) []string) completer {
	return fromConfig(func(c *config.Document) (names []string) {
		assemble.EachRoster(c, func(r backend.Roster) { names = append(names, values(r)...) })
		return names
	})
}

func routeHosts(c *config.Document) (names []string) {
	for _, r := range c.Routes {
		names = append(names, r.Names()...)
	}
	return names
}

// completeQuestion completes what explain and can-i are asked about: an operation, or a
// method and the path of a route.
func completeQuestion(cmd *cobra.Command, args []string) []string {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	switch {
	case len(args) == 0:
		return append(explain.Verbs(), methods...)
	case len(args) == 1 && slices.Contains(methods, args[0]):
		return fromConfig(func(c *config.Document) (paths []string) {
			for _, r := range c.Routes {
				paths = append(paths, r.Path)
			}
			return paths
		})(cmd, nil)
	}
	return nil
}
