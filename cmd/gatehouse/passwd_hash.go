package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"

	"gatehouse/backend"
	"gatehouse/backend/htpasswd"
)

// The parameters that OWASP recommends for argon2id, in its cheatsheet on
// password storage.
const (
	argon2Memory = 19 << 10 // KiB
	argon2Passes = 2
	argon2Lanes  = 1
)

// readPassword reads a password from standard input, where a line feed at the
// end is not a part of it, or asks for it on the terminal: twice if it is to be
// set, since it cannot be seen.
func readPassword(cmd *cobra.Command, stdin, twice bool) (string, error) {
	if stdin {
		text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), backend.PasswordMax+3))
		password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		return password, err
	}
	tty, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return "", errors.New("standard input is not a terminal to ask for the password on; pass -i to read it from there")
	}
	password, err := ask(cmd, tty, "Password: ")
	if err != nil || !twice {
		return password, err
	}
	again, err := ask(cmd, tty, "The same again: ")
	if err == nil && again != password {
		err = errors.New("the two passwords differ; nothing was changed")
	}
	return password, err
}

func ask(cmd *cobra.Command, tty *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	password, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr()) // the one that was typed is not shown
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(password), nil
}

// checkPassword refuses a password that gatehouse would never let in.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > backend.PasswordMax:
		return fmt.Errorf("the password is longer than %d bytes", backend.PasswordMax)
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("the password contains a control character or more than one line")
	}
	return nil
}

func bcryptHash(password string, cost int) (string, error) {
	if len(password) > htpasswd.BcryptInput {
		return "", fmt.Errorf("the password is longer than %d bytes, and bcrypt would ignore the rest; choose a shorter one or pass --argon2id", htpasswd.BcryptInput)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	// The same algorithm by the name that htpasswd gives it.
	return "$2y$" + strings.TrimPrefix(string(hash), "$2a$"), nil
}

func argon2idHash(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(password), salt, argon2Passes, argon2Memory, argon2Lanes, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argon2Memory, argon2Passes, argon2Lanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}
