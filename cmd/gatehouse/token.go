package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/gateway/signing"
	"gatehouse/gateway/token"
)

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and end tokens of people and robots, make keys for tokens, and look at tokens",
		Long: `People and robots log in with a token in place of a password. The gateway keeps these in
the store_file of [tokens], and create, list, rotate and revoke ask the one that runs.

Clients of a route with challenge = "bearer" send tokens in place of passwords. The
gateway seals these with a key, so that nobody else can make one or read one. A registry
that has "auth: token" gets tokens of another sort from the gateway, which it signs for
each request.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreateCommand(), newTokenListCommand(), newTokenRotateCommand(), newRevokeCommand(), newTokenKeyCommand(), newTokenShowCommand(), newTokenUpstreamConfigCommand())
	return cmd
}

func newTokenKeyCommand() *cobra.Command {
	var upstream bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print a new key, as a line for key_file",
		Long: `key prints a random key as a line for the key_file under [tokens]. The first line of
that file seals tokens, and all of them open what was sealed with them. The line is a
secret: whoever has it can make tokens for anybody. The name at its beginning is none.

To change the key, add a new line at the end of the file of every replica. When all
have it, move it to the beginning. Take the old line out when no token of it is in
use any more: after ttl and upload_grace, and after identity_ttl if that is set.

With --upstream it prints another sort of key, for the upstream_token_key_file of a
route: a P-256 key with a certificate that is good for 20 years, both in PEM. The
registry gets the certificate alone; see gatehouse token upstream-config.`,
		Example: `  (umask 027; gatehouse token key > token-keys)   # the first key
  gatehouse token key >> token-keys               # another one, behind those that are there
  (umask 027; gatehouse token key --upstream > registry-token.pem)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := token.NewKey(time.Now()).Line() + "\n"
			if upstream {
				var err error
				if text, err = signing.NewKey(time.Now()); err != nil {
					return err
				}
			}
			_, err := io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().BoolVar(&upstream, "upstream", false, "print a key and its certificate for upstream_token_key_file")
	return cmd
}
