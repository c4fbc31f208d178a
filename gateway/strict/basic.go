package strict

import (
	"encoding/base64"
	"strings"
)

const (
	errBasicScheme   Error = "credentials: not of the Basic scheme"
	errBasicEncoding Error = "credentials: not in canonical base64"
	errBasicPair     Error = "credentials: user or password missing"
	errBasicLength   Error = "credentials: too long"
	errBasicControl  Error = "credentials: control character in password"
)

const (
	maxBasicHeader = 3 << 10 // more than two names of the length below can fill
	maxCredential  = 1 << 10
)

// strictBase64 refuses trailing bits that decode to nothing, so that one pair of
// user and password has one spelling.
var strictBase64 = base64.StdEncoding.Strict()

// ParseBasic reads the value of an Authorization header (RFC 7617). It takes one
// spelling for each pair and what no backend could misread: a NUL would cut the
// password for some, and an empty one turn an LDAP bind into an anonymous one, which
// succeeds. A password need not be UTF-8 and is returned byte for byte. Errors do
// not contain any of the header.
func ParseBasic(header string) (user, password string, err error) {
	if len(header) > maxBasicHeader {
		return "", "", errBasicLength
	}
	scheme, encoded, _ := strings.Cut(header, " ")
	if strings.ToLower(scheme) != "basic" {
		return "", "", errBasicScheme
	}
	// The decoder skips line breaks, even a strict one.
	if strings.ContainsAny(encoded, "\r\n") {
		return "", "", errBasicEncoding
	}
	decoded, err := strictBase64.DecodeString(encoded)
	if err != nil {
		return "", "", errBasicEncoding
	}
	user, password, _ = strings.Cut(string(decoded), ":")
	return Credentials(user, password)
}

// Credentials returns a user name and a password as backends are asked about them. Errors
// do not contain any of them.
func Credentials(user, password string) (string, string, error) {
	user = composed(user)
	if err := checkCredentials(user, password); err != nil {
		return "", "", err
	}
	return user, password, nil
}

// CutBearer returns the token in the value of an Authorization header, and whether it is
// one of the Bearer scheme (RFC 6750, section 2.1).
func CutBearer(header string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(header, " ")
	return token, strings.EqualFold(scheme, "bearer")
}

func checkCredentials(user, password string) error {
	switch {
	case user == "" || password == "":
		return errBasicPair
	case len(user) > maxCredential || len(password) > maxCredential:
		return errBasicLength
	case HasControl(password):
		return errBasicControl
	}
	return checkUserName(user)
}
