package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/backend"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// newDoctorCommand returns "gatehouse doctor".
func newDoctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [FILE]",
		Short: "Find out step by step why a directory does not let users in",
		Long: `Try what a login takes with every directory of the configuration, one step after
the other: DNS, a connection to every address, TLS with its certificates, the
root DSE, the service account, the bases, the groups that rules name, when the
directory locks accounts, and some load. With --user a user is looked for, with
the groups. Every step is one line, with how long it took. A step that failed says
more: what was found, what to do about it, and which command does the same by hand;
-v says that of every step. "warn" is what works and should be looked at all the same.

With --user on a terminal the password is asked for; empty, it is not tried. It
is tried once: a wrong one counts toward locking the account.

The exit code is 0 if all steps went well, 1 if one did not, and 2 if there is no
configuration that can be used.`,
		Example: `  gatehouse doctor --config config.toml
  gatehouse doctor --config config.toml --user alice
  gatehouse doctor --config config.toml -o json    # for monitoring`,
		Args: configArg,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.Flags().StringVar(&o.backend, "backend", "", "the name of the backend to look at (default all that have something to say)")
	cmd.Flags().StringVar(&o.user, "user", "", "a user to look for, as typed into a login")
	cmd.Flags().StringVar(&o.passwordFile, "password-file", "", "a file with the password of the user, to be tried once")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say of every step what was found and how to do it by hand")
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	return cmd
}

type doctorOptions struct {
	backend, user, passwordFile string
	verbose                     bool
	output                      outputFormat
}

func (o doctorOptions) run(cmd *cobra.Command) error {
	a, path, err := assembleQuietly(cmd)
	if err != nil {
		return err
	}
	defer a.Close()
	password, err := o.password(cmd)
	if err != nil {
		return &exitError{2, err}
	}
	result := diagnosis{File: path, OK: true, Steps: []finding{}}
	s := newScreen(cmd.OutOrStdout())
	asked := 0
	for _, table := range a.Config.Backends {
		examiner, ok := a.Stack(table.Name()).Leaf.(backend.Examiner)
		if !ok || o.backend != "" && o.backend != table.Name() {
			continue
		}
		asked++
		what := a.Examination(table)
		what.User, what.Password = o.user, password
		examiner.Examine(cmd.Context(), what, func(f backend.Finding) {
			found := newFinding(table.Name(), f)
			result.add(found)
			if o.output == outputText {
				found.print(s, o.verbose)
			}
		})
	}
	if asked == 0 {
		return &exitError{2, fmt.Errorf("%s: there is no such backend, or none that can be examined", path)}
	}
	if o.output == outputJSON {
		if err := result.print(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	if !result.OK {
		return &exitError{1, fmt.Errorf("%s: %s failed", path, count(result.failed(), "step"))}
	}
	return nil
}

// assembleQuietly opens what the configuration names, and logs nothing. The caller
// closes it.
func assembleQuietly(cmd *cobra.Command) (*assemble.Assembly, string, error) {
	c, path, err := loadNamed(cmd)
	if err != nil {
		return nil, "", &exitError{2, err}
	}
	a := assemble.Open(c, slog.New(slog.DiscardHandler))
	if err := a.Report.Err(); err != nil {
		return nil, "", &exitError{2, errors.Join(err, a.Close())}
	}
	return a, path, nil
}

// password returns the password of the user: from the file, or asked for where
// somebody sits at a terminal. Empty means that it is not to be tried.
func (o doctorOptions) password(cmd *cobra.Command) (string, error) {
	tty, isFile := cmd.InOrStdin().(*os.File)
	switch {
	case o.passwordFile != "" && o.user == "":
		return "", errors.New("--password-file needs --user")
	case o.passwordFile != "":
		password, err := config.SecretSource{Name: "password", File: config.Lead(o.passwordFile)}.Read()
		return password.Reveal(), err
	case o.user == "" || !isFile || !term.IsTerminal(int(tty.Fd())):
		return "", nil
	}
	return ask(cmd, tty, "Password of "+shown.Text(o.user)+", empty if it is not to be tried: ")
}
