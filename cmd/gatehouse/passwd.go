package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/backend"
	"gatehouse/backend/htpasswd"
)

// passwdOptions are the flags of "gatehouse passwd", in htpasswd's letters.
type passwdOptions struct {
	create, print, remove, verify, list bool

	bcrypt, argon2id bool
	cost             int

	stdin    bool
	argument bool // -b, which is refused
	output   outputFormat
}

// newPasswdCommand returns "gatehouse passwd".
func newPasswdCommand() *cobra.Command {
	var o passwdOptions
	cmd := &cobra.Command{
		Use:   "passwd FILE USER",
		Short: "Set a password in a password file, check one, or list the users",
		Long: `passwd sets the password of USER in FILE, a password file as Apache's htpasswd
makes them. The file is replaced in one step, and all other lines stay as they
are; a gatehouse that uses the file sees the change within a second.

It takes htpasswd's letters, but for those of weaker hashes (-m -s -d -p -2 -5)
and -b: other users can see the arguments of a command. The password is asked for
twice on a terminal, or read from standard input with -i.`,
		Example: `  gatehouse passwd -c htpasswd alice          # make the file; the first user is alice
  gatehouse passwd htpasswd bob               # add bob, or change his password
  pwgen 20 1 | gatehouse passwd -i htpasswd ci-bot
  gatehouse passwd -D htpasswd bob            # delete bob
  gatehouse passwd --list htpasswd            # users and how strong their hashes are`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.create, "create", "c", false, "make FILE, which must not exist or be empty")
	f.BoolVarP(&o.print, "print", "n", false, "print the line and change no file; takes USER alone")
	f.BoolVarP(&o.remove, "delete", "D", false, "delete USER from FILE")
	f.BoolVarP(&o.verify, "verify", "v", false, "check the password of USER as gatehouse does; exits with 1 if it is wrong")
	f.BoolVar(&o.list, "list", false, "list the users of FILE; exits with 1 if gatehouse would refuse it")
	f.BoolVarP(&o.bcrypt, "bcrypt", "B", false, "hash with bcrypt (default)")
	f.IntVarP(&o.cost, "cost", "C", 12, "cost of bcrypt, 4 to 15; one more takes twice the time")
	f.BoolVar(&o.argon2id, "argon2id", false, "hash with argon2id, which Apache and nginx cannot read")
	f.BoolVarP(&o.stdin, "stdin", "i", false, "read the password from standard input")
	f.BoolVarP(&o.argument, "argument", "b", false, "")
	_ = f.MarkHidden("argument") // fails for a flag that does not exist alone
	outputFlag(f, &o.output, "with --list, the format: text or json")
	cmd.MarkFlagsMutuallyExclusive("create", "print", "delete", "verify", "list")
	cmd.MarkFlagsMutuallyExclusive("bcrypt", "argon2id")
	cmd.MarkFlagsMutuallyExclusive("cost", "argon2id")
	return cmd
}

func (o passwdOptions) run(cmd *cobra.Command, args []string) error {
	if o.argument {
		return errors.New("a password in an argument (-b) can be read by every user of the machine; pass it on standard input with -i")
	}
	want := []string{"FILE", "USER"}
	switch {
	case o.list:
		want = want[:1]
	case o.print:
		want = want[1:]
	}
	if len(args) != len(want) {
		return fmt.Errorf("want %s after the flags, got %d arguments; see gatehouse passwd --help",
			strings.Join(want, " and "), len(args))
	}
	user := args[len(args)-1]
	if !o.list {
		if err := checkUserName(user); err != nil {
			return fmt.Errorf("user %q: %w", user, err)
		}
	}
	switch {
	case o.list:
		return o.listUsers(cmd, args[0])
	case o.print:
		return o.printLine(cmd, user)
	case o.remove:
		return deleteUser(cmd, args[0], user)
	case o.verify:
		return o.verifyPassword(cmd, args[0], user)
	default:
		return o.setPassword(cmd, args[0], user)
	}
}

// checkUserName refuses a name that the file cannot hold, and one that no client
// could log in by.
func checkUserName(user string) error {
	switch {
	case user == "":
		return errors.New("the name is empty")
	case len(user) > 255:
		return errors.New("the name is longer than 255 bytes")
	case user[0] == '#':
		return errors.New("a name must not begin with #: the line would be a comment")
	case strings.ContainsRune(user, ':'):
		return errors.New("a name must not contain a colon: the name ends there")
	case strings.TrimSpace(user) != user:
		return errors.New("a name must not begin or end with a blank")
	case strings.ContainsFunc(user, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }):
		return errors.New("a name must be printable text in UTF-8")
	}
	return nil
}

// hash asks for a password and returns its hash.
func (o passwdOptions) hash(cmd *cobra.Command) (string, error) {
	if o.cost < bcrypt.MinCost || o.cost > htpasswd.BcryptCostMax {
		return "", fmt.Errorf("the cost of bcrypt is %d and must be from %d to %d", o.cost, bcrypt.MinCost, htpasswd.BcryptCostMax)
	}
	password, err := readPassword(cmd, o.stdin, true)
	if err != nil {
		return "", err
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	if o.argon2id {
		return argon2idHash(password), nil
	}
	return bcryptHash(password, o.cost)
}

func (o passwdOptions) printLine(cmd *cobra.Command, user string) error {
	hash, err := o.hash(cmd)
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s:%s\n", user, hash)
	}
	return err
}

func (o passwdOptions) setPassword(cmd *cobra.Command, path, user string) error {
	// Complain of the file before the password has been typed twice.
	if err := checkPasswdFile(path, o.create); err != nil {
		return err
	}
	hash, err := o.hash(cmd)
	if err != nil {
		return err
	}
	known := false
	err = editPasswdFile(path, o.create, func(text string) (string, error) {
		text, known = setUser(text, user, hash)
		return text, nil
	})
	if err != nil {
		return err
	}
	did := "added"
	if known {
		did = "changed the password of"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s user %s\n", did, user)
	warnOfUnusable(cmd, path)
	return nil
}

func deleteUser(cmd *cobra.Command, path, user string) error {
	err := editPasswdFile(path, false, func(text string) (string, error) {
		left, known := removeUser(text, user)
		if !known {
			return "", &exitError{1, fmt.Errorf("there is no user %s in %s", user, path)}
		}
		if len(usersOf(left)) == 0 {
			return "", fmt.Errorf("%s is the last user in %s: gatehouse refuses a file without users and would go on with the old one; add another user first", user, path)
		}
		return left, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "deleted user %s\n", user)
	warnOfUnusable(cmd, path)
	return nil
}

// warnOfUnusable says so where a change does not take effect, because gatehouse
// refuses the file for something that was in it before, and goes on with the
// last good one.
func warnOfUnusable(cmd *cobra.Command, path string) {
	b, err := htpasswd.New(htpasswd.Config{UsersFile: path})
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the change has no effect yet, since gatehouse refuses the file: %v\n", err)
		return
	}
	b.Close()
}

// verifyPassword asks the code that answers to clients.
func (o passwdOptions) verifyPassword(cmd *cobra.Command, path, user string) error {
	b, err := htpasswd.New(htpasswd.Config{UsersFile: path})
	if err != nil {
		return err
	}
	defer b.Close()
	password, err := readPassword(cmd, o.stdin, false)
	if err != nil {
		return err
	}
	_, err = b.Authenticate(cmd.Context(), user, password)
	switch {
	case err == nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "the password of user %s is right\n", user)
		return nil
	case backend.Refused(err):
		return &exitError{1, fmt.Errorf("user %s in %s: %w", user, path, err)}
	default:
		return &exitError{4, err}
	}
}
