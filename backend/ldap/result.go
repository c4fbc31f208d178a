package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// lostError is a failure of a connection or a server, as against an answer. It
// is the only kind after which another server is asked.
type lostError struct{ cause error }

// Error returns the cause.
func (e *lostError) Error() string { return e.cause.Error() }

// Unwrap returns the cause, and that the directory is unavailable.
func (e *lostError) Unwrap() []error { return []error{e.cause, backend.ErrUnavailable} }

func lost(err error) error { return &lostError{err} }

func isLost(err error) bool {
	var l *lostError
	return errors.As(err, &l)
}

// codeOf returns the result code that a server answered with. The library uses
// codes from 200 for failures of its own.
func codeOf(err error) (code uint16, answered bool) {
	var e *ldap.Error
	if err == nil || !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
		return 0, false
	}
	return e.ResultCode, true
}

// classify makes what the library returned a lostError unless it is an answer.
// Most of its errors for a broken connection are no *ldap.Error at all.
func classify(err error) error {
	if err == nil {
		return nil
	}
	code, answered := codeOf(err)
	switch {
	case !answered:
		return lost(err)
	case code == ldap.LDAPResultBusy, code == ldap.LDAPResultUnavailable, code == ldap.LDAPResultServerDown:
		return lost(fmt.Errorf("the server is not able to answer: %w", err))
	}
	return err
}

// searchError says what a result code of a search means. All of them are
// failures: a part of what was to be found is not taken for the whole.
func searchError(err error, base string) error {
	code, answered := codeOf(err)
	if !answered || isLost(err) {
		return err
	}
	switch code {
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return fmt.Errorf("search below %q: the answer is incomplete: %w: %w", base, err, backend.ErrUnavailable)
	case ldap.LDAPResultOther:
		return fmt.Errorf("search below %q: %w: %w", base, err, backend.ErrUnavailable)
	case ldap.LDAPResultNoSuchObject:
		return fmt.Errorf("search below %q: no such entry, or the account may not see it; check the bases: %w", base, err)
	case ldap.LDAPResultReferral:
		return fmt.Errorf("search below %q: the server refers to another one, which is not followed; name a server that has it: %w", base, err)
	case ldap.LDAPResultOperationsError, ldap.LDAPResultInsufficientAccessRights:
		return fmt.Errorf("search below %q: not allowed; set bind_dn to an account that may search: %w", base, err)
	}
	return fmt.Errorf("search below %q: %w", base, err)
}

// bindError says what the answer to the bind of a user means. Servers do not
// agree: a locked account is 49 with a sub-code in Active Directory, 49 with a
// control in OpenLDAP, and 19 in 389 Directory Server; OpenLDAP answers success
// for a password that must be changed first.
func bindError(controls []ldap.Control, err error) error {
	if isLost(err) {
		return err
	}
	if state := passwordState(controls); state != "" {
		return fmt.Errorf("%s: %w", state, backend.ErrLocked)
	}
	code, answered := codeOf(err)
	if !answered {
		return err
	}
	switch code {
	case ldap.LDAPResultInvalidCredentials:
		return refusalOfAD(err)
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform:
		return fmt.Errorf("%w: %w", err, backend.ErrLocked)
	case ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInappropriateAuthentication:
		return fmt.Errorf("%w: %w", err, backend.ErrWrongPassword)
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		return fmt.Errorf("bind as the user: the server demands an encrypted connection; use ldaps:// or start_tls = true: %w", err)
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther:
		return fmt.Errorf("bind as the user: %w: %w", err, backend.ErrUnavailable)
	}
	return fmt.Errorf("bind as the user: %w", err)
}

// subCode is where Active Directory says why it refuses.
var subCode = regexp.MustCompile(`(?i)\bdata\s+([0-9a-f]{1,8})\b`)

// refusalOfAD says why credentials are invalid, where the server tells. Active
// Directory does so only to who knows the password.
func refusalOfAD(err error) error {
	match := subCode.FindStringSubmatch(err.Error())
	if match == nil {
		return fmt.Errorf("%w: %w", err, backend.ErrWrongPassword)
	}
	switch code := strings.ToLower(match[1]); code {
	case "530", "531", "532", "533", "701", "773", "775":
		return fmt.Errorf("%s: %w", stateOfAD[code], backend.ErrLocked)
	case "80090346":
		return fmt.Errorf("bind as the user: the server demands channel binding: %w", err)
	}
	return fmt.Errorf("%w: %w", err, backend.ErrWrongPassword)
}

var stateOfAD = map[string]string{
	"530": "logging in is not allowed at this hour",
	"531": "logging in is not allowed from this computer",
	"532": "the password has expired",
	"533": "the account is disabled",
	"701": "the account has expired",
	"773": "the password must be changed first",
	"775": "the account is locked",
}

// passwordState returns why the password policy forbids to log in, if it does;
// draft-behera-ldap-password-policy, section 6.2, and draft-vchu-ldap-pwd-policy.
func passwordState(controls []ldap.Control) string {
	for _, c := range controls {
		switch c := c.(type) {
		case *ldap.ControlBeheraPasswordPolicy:
			if c.Error >= 0 {
				return "password policy: " + c.ErrorString
			}
		case *ldap.ControlVChuPasswordMustChange:
			return "the password must be changed first"
		}
	}
	return ""
}

// gaveUp is the error for a question whose context was done before it was asked.
func gaveUp(ctx context.Context) error {
	return fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err())
}
