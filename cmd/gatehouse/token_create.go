package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend/owntoken"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/admin"
)

// tokenCreateOptions are the flags of token create.
type tokenCreateOptions struct {
	order  admin.TokenOrder
	robot  string
	ttl    string
	quiet  bool
	output outputFormat
}

func newTokenCreateCommand() *cobra.Command {
	var o tokenCreateOptions
	cmd := &cobra.Command{
		Use:   "create NAME --user USER | --robot NAME --owner OWNER",
		Short: "Make a token for a person or a robot, in place of a password",
		Long: `Have the gateway that runs on this machine make a token, with which somebody logs in in
place of the password. It is asked over the control socket that [admin] names, and keeps
the token in the store_file of [tokens]. The secret is shown this once.

A token may do what its owner may, at the moment when it is used: the rules and the groups
of the owner count, and --repository, --action and --from take away from that. It ends with
the account of the owner, and after --ttl at the latest. The directory is asked for the
account, so that a later one of the same name does not get the token.

A robot is no account: its owner is a group or a user that answers for it, in the words of
a rule. Rules know it as "user robot:NAME".

The exit code is 0 if there is a token, 1 if there can be none, 2 if the flags are wrong or
no control socket is known, and 4 if nobody answers there, the directory could not be asked,
or the token could not be kept.`,
		Example: `  gatehouse token create laptop --user alice --ttl 30d
  gatehouse token create ci-build --user alice --repository "team/**" --action pull --from 10.1.0.0/16
  gatehouse token create --robot team-ci --owner "group corp:team" --action pull --action push
  gatehouse token create -q laptop --user alice | docker login -u alice --password-stdin registry.example`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	flags := cmd.Flags()
	controlFlags(cmd)
	flags.StringVar(&o.order.User, "user", "", "whose token it is")
	flags.StringVar(&o.order.Backend, "backend", "", "the backend that vouches for the user, where several know the name")
	flags.StringVar(&o.robot, "robot", "", "make the token of a robot of this name")
	flags.StringVar(&o.order.Owner, "owner", "", "who answers for the robot, as \"group BACKEND:NAME\" or \"user BACKEND:NAME\"")
	flags.StringVar(&o.ttl, "ttl", "", "how long it is good, such as 12h or 30d (default as long as [tokens] allows)")
	flags.StringArrayVar(&o.order.Repositories, "repository", nil, "pattern of repositories that it is for, as in rules; may be given again (default all)")
	flags.StringArrayVar(&o.order.Actions, "action", nil, "what it is for: pull, push, delete, catalog or extension; may be given again (default all)")
	flags.StringArrayVar(&o.order.From, "from", nil, "address or network of clients that may use it; may be given again (default all)")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the secret alone")
	outputFlag(flags, &o.output, "output format: text or json")
	cmd.MarkFlagsMutuallyExclusive("user", "robot")
	cmd.MarkFlagsMutuallyExclusive("quiet", "output")
	return cmd
}

func (o tokenCreateOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.read(args); err != nil {
		return &exitError{2, err}
	}
	var made admin.MadeToken
	if err := tell(cmd, "/tokens", o.order, &made); err != nil {
		return err
	}
	return printMade(cmd.OutOrStdout(), made, o.quiet, o.output)
}

// read completes what is asked for.
func (o *tokenCreateOptions) read(args []string) error {
	o.order.Robot = o.robot != ""
	o.order.Name = o.robot
	switch {
	case o.order.Robot && len(args) > 0:
		return errors.New("a robot has one name, which --robot gives: leave the other one out")
	case o.order.Robot && o.order.Owner == "":
		return errors.New("a robot needs somebody who answers for it: --owner \"group BACKEND:NAME\", or \"user BACKEND:NAME\"")
	case o.order.Robot && o.order.Backend != "":
		return errors.New("--owner names the backend of the owner of a robot: leave --backend out")
	case o.order.Robot:
	case len(args) == 0:
		return errors.New("the token needs a name, by which its owner knows it, such as \"laptop\"")
	case o.order.User == "":
		return errors.New("say whose token it is: --user USER, or --robot NAME with --owner")
	case o.order.Owner != "":
		return errors.New("--owner is for robots; the token of a person has a --user")
	default:
		o.order.Name = args[0]
	}
	if o.ttl == "" {
		return nil
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(o.ttl)); err != nil {
		return fmt.Errorf("--ttl: %w", err)
	}
	if d.Duration <= 0 {
		return errors.New("--ttl: a token is good for a while: leave it out for as long as possible")
	}
	o.order.TTL = d.Duration
	return nil
}

// printMade prints a token that was just made, with its secret.
func printMade(out io.Writer, m admin.MadeToken, quiet bool, output outputFormat) error {
	switch {
	case quiet:
		_, err := fmt.Fprintln(out, m.Secret)
		return err
	case output == outputJSON:
		return printJSON(out, m)
	}
	host := "HOST"
	if len(m.Hosts) > 0 {
		host = m.Hosts[0]
	}
	_, err := fmt.Fprintf(out, "secret   %s\ntoken    %s, id %s\nowner    %s\nmay      %s\nends     %s\nlogin    docker login -u %s %s\n\nThe secret is shown this once. It is the password of that login.\n",
		m.Secret, shown.Text(m.Name), m.ID, shown.Text(ownerText(m.Owner)), shown.Text(limitsText(m.Limits)), whenText(m.Expires), shown.Text(m.Login), shown.Text(host))
	return err
}

// limitsText says what a token is for.
func limitsText(l owntoken.Limits) string {
	var parts []string
	if l.Actions != nil {
		parts = append(parts, strings.Join(l.Actions, ", "))
	}
	if l.Repositories != nil {
		parts = append(parts, "in "+strings.Join(l.Repositories, ", "))
	}
	if l.From != nil {
		var networks []string
		for _, network := range l.From {
			networks = append(networks, network.String())
		}
		parts = append(parts, "from "+strings.Join(networks, ", "))
	}
	if parts == nil {
		return "all that its owner may"
	}
	return strings.Join(parts, " ")
}

// whenText says when something ends.
func whenText(end time.Time) string {
	text := end.UTC().Format(time.RFC3339)
	if left := time.Until(end); left >= 48*time.Hour {
		text += fmt.Sprintf(" (in %d days)", int(left/(24*time.Hour)))
	}
	return text
}
