package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/gateway/token"
)

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make keys for tokens",
		Long: `Clients of a route with challenge = "bearer" send tokens in place of passwords. The
gateway seals these with a key, so that nobody else can make one or read one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenKeyCommand())
	return cmd
}

func newTokenKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print a new key, as a line for key_file",
		Long: `key prints a random key as a line for the key_file under [tokens]. The first line of
that file seals tokens, and all of them open what was sealed with them. The line is a
secret: whoever has it can make tokens for anybody. The name at its beginning is none.

To change the key, add a new line at the end of the file of every replica. When all
have it, move it to the beginning. Take the old line out when no token of it is in
use any more: after ttl and upload_grace.`,
		Example: `  (umask 027; gatehouse token key > token-keys)   # the first key
  gatehouse token key >> token-keys               # another one, behind those that are there`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), token.NewKey(time.Now()).Line())
			return err
		},
	}
}
