package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway/admin"
	"gatehouse/gateway/token"
)

func newTokenShowCommand() *cobra.Command {
	var o tokenShowOptions
	cmd := &cobra.Command{
		Use:   "show [FILE | ID]",
		Short: "Say whose a token is, what it is for, and whether it counts",
		Long: `show says whose a token is, until when and for what it is good, and whether the account
still is what it was. It reads the token from FILE, or from the standard input: an argument
could be read by every user of the machine. It never prints the token. The token of a
person or robot can be named by its ID, too, which is no secret.

A token that the gateway has issued to a client is opened with the keys of the
configuration. About that of a person or robot the gateway is asked that runs on this
machine, over the control socket that [admin] names.

The exit code is 0 if the token counts, 1 if not, 2 if there is no configuration that
can be used, and 4 if the backend could not be asked.`,
		Example: "  gatehouse token show --config config.toml < token\n  gatehouse token show 3f2a9c0d81b7e645",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	controlFlags(cmd)
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	return cmd
}

type tokenShowOptions struct{ output outputFormat }

// shownToken is what there is to say of a token.
type shownToken struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // access or refresh
	User    string    `json:"user"` // empty for nobody
	Backend string    `json:"backend"`
	Service string    `json:"service"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Scopes  string    `json:"scopes"`
	Counts  bool      `json:"counts"`
	Code    string    `json:"code,omitempty"` // of why it does not
	Why     string    `json:"why,omitempty"`
}

func (o tokenShowOptions) run(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && isTokenID(args[0]) {
		return o.showOwn(cmd, args[0])
	}
	text, err := readToken(cmd, args)
	if err != nil {
		return err
	}
	if owntoken.Looks(text) {
		return o.showOwn(cmd, text)
	}
	return o.showIssued(cmd, text)
}

// isTokenID reports whether an argument is the ID of a token, and not the path of a file.
func isTokenID(arg string) bool {
	_, err := os.Lstat(arg)
	return len(arg) == 16 && strings.Trim(arg, "0123456789abcdef") == "" && err != nil
}

// showOwn asks the gateway about the token of a person or robot with an ID or a secret.
func (o tokenShowOptions) showOwn(cmd *cobra.Command, what string) error {
	var found admin.ShownToken
	if err := tell(cmd, "/tokens/show", admin.TokenQuestion{Token: what}, &found); err != nil {
		return err
	}
	var err error
	if o.output == outputJSON {
		err = printJSON(cmd.OutOrStdout(), found)
	} else {
		err = printOwnToken(cmd.OutOrStdout(), found)
	}
	switch {
	case err != nil || found.Counts:
		return err
	case found.Unknown:
		return &exitError{4, errors.New(found.Why)}
	}
	return &exitError{1, fault.With(fault.Code(found.Code), errors.New(found.Why))}
}

// showIssued opens a token that the gateway has issued to a client.
func (o tokenShowOptions) showIssued(cmd *cobra.Command, text string) error {
	a, err := assembleTokens(cmd)
	if err != nil {
		return &exitError{2, err}
	}
	defer a.Close()
	t, purpose, err := openAnyToken(a.Gateway.Tokens.Keys, text)
	if err != nil {
		return &exitError{1, err}
	}
	found := shownToken{
		ID: t.ID.String(), Kind: purpose.String(), User: t.Identity.User, Backend: t.Identity.Source, Service: t.Service,
		Issued: time.Unix(t.Issued, 0).UTC(), Expires: time.Unix(t.Expires, 0).UTC(), Scopes: string(t.Scopes),
	}
	err = judgeToken(cmd.Context(), a, t)
	if found.Counts = err == nil; err != nil {
		found.Code, found.Why = string(fault.Of(err)), err.Error()
	}
	if err := o.print(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, backend.ErrUnavailable):
		return &exitError{4, err}
	}
	return &exitError{1, err}
}

// readToken reads a token from the file that args name, or from the standard input.
func readToken(cmd *cobra.Command, args []string) (string, error) {
	in := cmd.InOrStdin()
	if len(args) > 0 && args[0] != "-" {
		if token.Is(args[0]) || owntoken.Looks(args[0]) {
			return "", &exitError{2, errors.New("a token in the arguments can be read by every user of this machine, and stays in the shell's history: give it on the standard input, or in a file")}
		}
		f, err := os.Open(args[0])
		if err != nil {
			return "", &exitError{2, err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, token.MaxLength+3))
	if err != nil {
		return "", &exitError{2, err}
	}
	return strings.TrimSpace(string(text)), nil
}

// assembleTokens assembles the configuration for its keys and backends. Whatever else is
// wrong with it does not count: addresses and certificates may be given by flags.
func assembleTokens(cmd *cobra.Command) (*assemble.Assembly, error) {
	c, path, err := loadNamed(cmd)
	if err == nil {
		err = c.Report.Err()
	}
	if err != nil {
		return nil, err
	}
	c.Tests = nil
	a := assemble.Open(c, slog.New(slog.DiscardHandler))
	if a.Gateway.Tokens == nil {
		return nil, errors.Join(cmp.Or(a.Report.Err(), fmt.Errorf("%s: there is no [tokens] table", path)), a.Close())
	}
	return a, nil
}

// openAnyToken opens a token of any purpose.
func openAnyToken(keys *token.Keyring, text string) (token.Token, token.Purpose, error) {
	t, err := keys.Open(token.Access, text)
	if err == nil {
		return t, token.Access, nil
	}
	refresh, errRefresh := keys.Open(token.Refresh, text)
	if errRefresh == nil {
		return refresh, token.Refresh, nil
	}
	if errors.Is(errRefresh, token.ErrUnknownKey) {
		err = errRefresh
	}
	return token.Token{}, 0, err
}

// judgeToken returns why a token does not count, nil if it does.
func judgeToken(ctx context.Context, a *assemble.Assembly, t token.Token) error {
	switch {
	case t.ExpiredSince(time.Now()) >= 0:
		return fault.With("token.expired", fmt.Errorf("it has expired %s ago", t.ExpiredSince(time.Now()).Round(time.Second)))
	case a.Gateway.Tokens.Revoked.Covers(t):
		return fault.With("token.revoked", errors.New("it was revoked"))
	case t.IsAnonymous():
		return nil
	}
	leaf := a.Stack(t.Identity.Source).Leaf
	if leaf == nil {
		return fault.With("token.other_host", fmt.Errorf("the backend %q, which vouched for the user, is none of this configuration", t.Identity.Source))
	}
	_, err := backend.Extend(backend.Named(t.Identity.Source, leaf)).Confirm(ctx, t.Identity)
	return err
}

func (o tokenShowOptions) print(out io.Writer, t shownToken) error {
	if o.output == outputJSON {
		return printJSON(out, t)
	}
	user := "nobody, who has not logged in"
	if t.User != "" {
		user = t.User + " of " + t.Backend
	}
	counts := "yes"
	if !t.Counts {
		counts = "no: " + t.Why
	}
	scopes := t.Scopes
	if scopes == "" {
		scopes = "none"
	}
	_, err := fmt.Fprintf(out, "token    %s, %s\nuser     %s\nat       %s\nissued   %s\nexpires  %s\nscopes   %s\ncounts   %s\n",
		t.ID, t.Kind, shown.Text(user), shown.Text(t.Service), t.Issued.Format(time.RFC3339), t.Expires.Format(time.RFC3339), shown.Text(scopes), shown.Text(counts))
	return err
}
