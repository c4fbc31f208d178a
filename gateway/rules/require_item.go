package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/strict"
)

// parseItem parses one string of a list.
func parseItem(text string) (Requirement, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	r, err := parseWords(words)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return r, nil
}

func parseWords(words []word) (Requirement, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("it is empty: want %s", knownItems)
	}
	key, args := words[0], words[1:]
	switch {
	case key.quoted:
		return nil, fmt.Errorf("a name stands after user or group: want %s", knownItems)
	case key.text == "valid-user" && len(args) > 0:
		return nil, errors.New("valid-user takes no names: for these users alone, write user and the names")
	case key.text == "valid-user":
		return validUser{}, nil
	case key.text == "all":
		return parseAll(args)
	case key.text == "user":
		return parseNames(userKind, args)
	case key.text == "group":
		return parseNames(groupKind, args)
	case key.text == "backend":
		return parseVouchers(args)
	case key.text == "via":
		return parseWays(args)
	case key.text == "ip":
		return parseNetworks(args)
	case key.text == "not":
		return parseNot(args)
	}
	return nil, unknownItem(key.text)
}

func parseAll(args []word) (Requirement, error) {
	if len(args) == 1 && args[0].text == "granted" {
		return everybody(true), nil
	}
	if len(args) == 1 && args[0].text == "denied" {
		return everybody(false), nil
	}
	return nil, errors.New(`write "all granted" or "all denied"; items that must all hold stand in a table { all = […] }`)
}

func parseNot(args []word) (Requirement, error) {
	r, err := parseWords(args)
	if err != nil {
		return nil, err
	}
	switch r.(type) {
	case not, validUser, everybody:
		return nil, errors.New(`"not" stands before user, group, backend, via or ip only`)
	}
	return not{r}, nil
}

func parseNames(kind principalKind, args []word) (Requirement, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("it names nobody: write %s and one or more names", kind)
	}
	var list []Requirement
	for _, arg := range args {
		if err := checkName(arg, len(args)); err != nil {
			return nil, err
		}
		list = append(list, principal{kind: kind, name: arg.text})
	}
	return newAny(list), nil
}

// checkName refuses what is likely to be meant otherwise than it would be read:
// a "not group …" with a name that nobody has keeps nobody out.
func checkName(name word, of int) error {
	switch {
	case name.text == "" || strings.TrimSpace(name.text) != name.text:
		return fmt.Errorf("the name %q is empty, or begins or ends with a blank", name.text)
	case strings.Contains(name.text, "%{"):
		return errors.New("names are taken literally: nothing is put in place of %{…}, which clients could choose")
	case name.quoted:
		return nil
	case strings.Contains(name.text, "=") && of > 1:
		return fmt.Errorf("put %s in double quotes, whole: blanks end a name, also inside a DN", name.text)
	case strings.Contains(name.text, ",") && !strings.Contains(name.text, "="):
		return fmt.Errorf("names stand apart by blanks, not commas; if %s is one name, put it in double quotes", name.text)
	case strings.HasPrefix(name.text, "'"):
		return errors.New(`names with blanks stand in double quotes ("), not single ones`)
	}
	return nil
}

func parseVouchers(args []word) (Requirement, error) {
	if len(args) == 0 {
		return nil, errors.New("it names no backend: write backend and one or more names of backends")
	}
	var list []Requirement
	for _, arg := range args {
		if err := checkName(arg, len(args)); err != nil {
			return nil, err
		}
		list = append(list, voucher{name: arg.text})
	}
	return newAny(list), nil
}

func parseWays(args []word) (Requirement, error) {
	if len(args) == 0 {
		return nil, errors.New("it does not say how somebody logs in: write via password, via token or via identity")
	}
	var list []Requirement
	for _, arg := range args {
		w := Way(arg.text)
		if !slices.Contains(Ways, w) {
			return nil, fmt.Errorf("%q is no way to log in: write via password, via token or via identity", arg.text)
		}
		list = append(list, w)
	}
	return newAny(list), nil
}

func parseNetworks(args []word) (Requirement, error) {
	if len(args) == 0 {
		return nil, errors.New("it names no address: write ip and one or more addresses or CIDR ranges, such as ip 10.0.0.0/8")
	}
	var list []Requirement
	for _, arg := range args {
		prefix, err := strict.ParseNetwork(arg.text)
		if err != nil {
			return nil, err
		}
		list = append(list, network{prefix})
	}
	return newAny(list), nil
}
