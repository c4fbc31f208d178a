package ldap

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// adviceFor says what to do about the failure of a step.
func adviceFor(step string, err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "check the name in urls and the resolver of this machine"
	case errors.Is(err, context.DeadlineExceeded) && step == "DNS":
		return "the resolver of this machine does not answer: check /etc/resolv.conf"
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing answers: a firewall may drop the packets, or the address is dead; take it out of urls or DNS"
	}
	switch step {
	case "SRV":
		return "check the name behind srv:, and that its records name hosts of that domain"
	case "TCP":
		return "check the port in urls, and that the directory listens on it"
	case "TLS":
		return "see the end of the error; a server that speaks TLS only after StartTLS takes ldap:// and start_tls = true, and one that refuses that takes ldaps://"
	case "service bind":
		return adviceOnAccount(err)
	case "user bind":
		return adviceOnUser(err)
	}
	return adviceOnSearch(err)
}

// resultCode is how the library writes the code that a server answered with.
var resultCode = regexp.MustCompile(`LDAP Result Code (\d+) `)

// adviceOnAccount says what to do where the service account cannot log in. What
// the server answered is in the text alone: for a login it is an outage.
func adviceOnAccount(err error) string {
	text := err.Error()
	for _, state := range stateOfAD {
		if strings.Contains(text, state) {
			return state + ": have whoever runs the directory put the account in order"
		}
	}
	if match := subCode.FindStringSubmatch(text); match != nil {
		switch strings.ToLower(match[1]) {
		case "525":
			return "there is no such account: correct bind_dn"
		case "52e":
			return "the password is wrong, or there is no such account: correct the file or bind_dn; one wrong password was counted"
		}
	}
	if match := resultCode.FindStringSubmatch(text); match != nil {
		switch match[1] {
		case "34":
			return "bind_dn is no name of an entry: want something like \"cn=gatehouse,ou=system,dc=corp,dc=example\""
		case "8", "13":
			return "the server takes no password in the clear: use ldaps:// or start_tls = true"
		}
	}
	return "check bind_dn and the file with its password; one wrong password was counted by the directory"
}

// adviceOnUser says what to do where a password is not taken.
func adviceOnUser(err error) string {
	switch {
	case errors.Is(err, backend.ErrLocked):
		return "unlock the account in the directory, or have the password changed"
	case errors.Is(err, backend.ErrWrongPassword):
		return "type it again; the directory counted one wrong password"
	}
	return "see the error for what the directory answered"
}

// adviceOnSearch says what to do where a search fails or finds nothing.
func adviceOnSearch(err error) string {
	switch code, _ := codeOf(err); code {
	case ldap.LDAPResultNoSuchObject:
		return "check the spelling of the base, and that the account may read it"
	case ldap.LDAPResultReferral:
		return "name a server of the right domain in urls, or a global catalog (port 3269) to find users of several"
	case ldap.LDAPResultOperationsError, ldap.LDAPResultInsufficientAccessRights:
		return "set bind_dn to an account that may search here: the directory lets nobody else"
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return "have the directory raise the limits of the account, which end the answer before it is whole"
	}
	switch {
	case errors.Is(err, errAmbiguous):
		return "narrow user_bases or user_filter until one entry is left"
	case errors.Is(err, backend.ErrUnknownUser):
		return "check user_filter and user_bases with the command"
	case errors.Is(err, errNoGroup):
		return "correct the rule, or make the group"
	case errors.Is(err, backend.ErrUnavailable):
		return "see the error for what the server answered, and the steps before for which part fails"
	}
	return "repeat it with the command, and compare what the directory's own log says"
}
