package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"gatehouse/backend/htpasswd"
	"gatehouse/backend/watch"
)

// listedUser is what passwd --list says of a user.
type listedUser struct {
	User   string `json:"user"`
	Scheme string `json:"scheme"`
	Remark string `json:"remark,omitempty"`
}

const (
	weak    = "weak: set it again"
	refused = "gatehouse refuses it: set it again"
)

// schemes tells kinds of hash by how they begin. Whether a hash is well-formed
// is for package htpasswd to say.
var schemes = []struct{ prefix, name, remark string }{
	{"$argon2id$", "argon2id", ""},
	{"$2x$", "bcrypt 2x", refused},
	{"$2", "bcrypt", ""},
	{"$y$", "yescrypt", ""},
	{"$6$", "SHA-512 crypt", ""},
	{"$5$", "SHA-256 crypt", ""},
	{"$apr1$", "Apache MD5", weak},
	{"$1$", "MD5 crypt", weak},
	{"{SHA}", "SHA-1", weak},
	{"!", "locked", "cannot log in"},
}

// bcryptCostLow is the least cost that is not remarked on; htpasswd's default
// is 5, a thousand guesses each second.
const bcryptCostLow = 10

func describe(user, hash string) listedUser {
	if hash == "" || hash == "*" {
		return listedUser{user, "locked", "cannot log in"}
	}
	for _, s := range schemes {
		rest, ok := strings.CutPrefix(hash, s.prefix)
		if !ok {
			continue
		}
		l := listedUser{user, s.name, s.remark}
		if s.name == "bcrypt" {
			l.describeCost(rest)
		}
		return l
	}
	return listedUser{user, "unknown", refused}
}

// describeCost adds what to say of a bcrypt hash that goes on with rest, as in
// "y$05$…".
func (l *listedUser) describeCost(rest string) {
	_, rest, _ = strings.Cut(rest, "$")
	digits, _, _ := strings.Cut(rest, "$")
	cost, err := strconv.Atoi(digits)
	if err != nil {
		return
	}
	l.Scheme += fmt.Sprintf(" cost %d", cost)
	if cost < bcryptCostLow {
		l.Remark = weak
	}
}

func (o passwdOptions) listUsers(cmd *cobra.Command, path string) error {
	text, _, err := watch.Read(path, watch.Limits{MaxSize: htpasswd.FileMax})
	if err != nil {
		return err
	}
	users := usersOf(text)
	if o.output == outputJSON {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(users)
	} else {
		err = printUsers(cmd, users)
	}
	if err != nil {
		return err
	}
	b, err := htpasswd.New(htpasswd.Config{UsersFile: path})
	if err != nil {
		return &exitError{1, err}
	}
	return b.Close()
}

// usersOf returns the users of a file in its order, those with two lines twice.
func usersOf(text string) []listedUser {
	users := []listedUser{}
	known := map[string]bool{}
	for l := range htpasswd.Lines(text) {
		if l.Name == "" {
			continue
		}
		u := describe(l.Name, l.Hash)
		if known[l.Name] {
			u.Remark = "ignored: the first line of a user counts"
		}
		known[l.Name] = true
		users = append(users, u)
	}
	return users
}

func printUsers(cmd *cobra.Command, users []listedUser) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tSCHEME\tREMARK")
	for _, u := range users {
		name := u.User
		// A name must not be able to steer the terminal.
		if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			name = strconv.Quote(name)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, u.Scheme, u.Remark)
	}
	return w.Flush()
}
