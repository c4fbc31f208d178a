package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// lostError is a failure of a connection or a server, as against an answer. It
// is the only kind after which another server is asked.
type lostError struct{ cause error }

// Error returns the cause.
func (e *lostError) Error() string { return e.cause.Error() }

// Unwrap returns the cause, and that the directory is unavailable.
func (e *lostError) Unwrap() []error { return []error{e.cause, backend.ErrUnavailable} }

func lost(err error) error { return &lostError{connectionFault(err)} }

func isLost(err error) bool {
	if err == nil {
		return false // without looking for memory for a target
	}
	var l *lostError
	return errors.As(err, &l)
}

// codeOf returns the result code that a server answered with. The library uses
// codes from 200 for failures of its own.
func codeOf(err error) (code uint16, answered bool) {
	if err == nil {
		return 0, false
	}
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
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
		return lost(fault.With("ldap.server.busy", fmt.Errorf("the server is not able to answer: %w", err)))
	}
	return terse(err)
}

// terseError is an answer to which the server added no words. The library ends its text
// with a colon nevertheless.
type terseError struct{ error }

// Error returns the text of the answer without that colon.
func (e terseError) Error() string { return strings.TrimSuffix(e.error.Error(), ": ") }

// Unwrap returns the answer.
func (e terseError) Unwrap() error { return e.error }

// terse returns err with a text that goes on well.
func terse(err error) error {
	if strings.HasSuffix(err.Error(), ": ") {
		return terseError{err}
	}
	return err
}

// connectionFault returns err with the code of a failure of a connection, unless it
// has one.
func connectionFault(err error) error {
	var answer *ldap.Error
	switch {
	case fault.Of(err) != "":
		return err
	case errors.As(err, &answer) && answer.ResultCode >= ldap.ErrorFilterCompile:
		return fault.With("ldap.protocol", err)
	}
	return fault.Connection("ldap", err)
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
		return fault.With("ldap.search.incomplete", fmt.Errorf("search below %q: the answer is incomplete: %w: %w", base, err, backend.ErrUnavailable))
	case ldap.LDAPResultOther:
		return fault.With("ldap.search.failed", fmt.Errorf("search below %q: %w: %w", base, err, backend.ErrUnavailable))
	case ldap.LDAPResultNoSuchObject:
		return fault.With("ldap.search.no_base", fmt.Errorf("search below %q: no such entry, or the account may not see it; check the bases: %w", base, err))
	case ldap.LDAPResultAliasProblem, ldap.LDAPResultAliasDereferencingProblem, ldap.LDAPResultLoopDetect:
		return fault.With("ldap.search.alias", fmt.Errorf("search below %q: it is, or leads through, an alias of nothing or in a circle; correct it, or name its target: %w", base, err))
	case ldap.LDAPResultReferral:
		return fault.With("ldap.referral", fmt.Errorf("search below %q: the server refers to another one, which is not followed; name a server that has it: %w", base, err))
	case ldap.LDAPResultOperationsError, ldap.LDAPResultInsufficientAccessRights:
		return fault.With("ldap.search.forbidden", fmt.Errorf("search below %q: not allowed; set bind_dn to an account that may search: %w", base, err))
	}
	return fault.With("ldap.search.failed", fmt.Errorf("search below %q: %w", base, err))
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
		return lockedError(state)
	}
	code, answered := codeOf(err)
	if !answered {
		return err
	}
	switch code {
	case ldap.LDAPResultInvalidCredentials:
		return refusalOfAD(err)
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform:
		return fault.With("ldap.user.refused", fmt.Errorf("%w: %w", err, backend.ErrLocked))
	case ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInappropriateAuthentication:
		return wrongPassword(err)
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		return fault.With("ldap.bind.encryption", fmt.Errorf("bind as the user: the server demands an encrypted connection; use ldaps:// or start_tls = true: %w", err))
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther:
		return fault.With("ldap.bind.failed", fmt.Errorf("bind as the user: %w: %w", err, backend.ErrUnavailable))
	}
	return fault.With("ldap.bind.failed", fmt.Errorf("bind as the user: %w", err))
}

// subCode is where Active Directory says why it refuses.
var subCode = regexp.MustCompile(`(?i)\bdata\s+([0-9a-f]{1,8})\b`)

// refusalOfAD says why credentials are invalid, where the server tells. Active
// Directory does so only to who knows the password.
func refusalOfAD(err error) error {
	match := subCode.FindStringSubmatch(err.Error())
	if match == nil {
		return wrongPassword(err)
	}
	switch code := strings.ToLower(match[1]); code {
	case "530", "531", "532", "533", "701", "773", "775":
		return lockedError(stateOfAD[code])
	case "80090346":
		return fault.With("ldap.bind.channel_binding", fmt.Errorf("bind as the user: the server demands channel binding: %w", err))
	}
	return wrongPassword(err)
}

func wrongPassword(err error) error {
	return fault.With("ldap.user.wrong_password", fmt.Errorf("%w: %w", err, backend.ErrWrongPassword))
}

// What directories say of accounts that may not be used.
const (
	stateHours           = "logging in is not allowed at this hour"
	stateComputer        = "logging in is not allowed from this computer"
	statePasswordExpired = "the password has expired"
	stateDisabled        = "the account is disabled"
	stateExpired         = "the account has expired"
	statePasswordChange  = "the password must be changed first"
	stateLocked          = "the account is locked"
)

var stateOfAD = map[string]string{
	"530": stateHours, "531": stateComputer, "532": statePasswordExpired, "533": stateDisabled,
	"701": stateExpired, "773": statePasswordChange, "775": stateLocked,
}

var codeOfState = map[string]fault.Code{
	stateHours: "ldap.user.hours", stateComputer: "ldap.user.computer", statePasswordExpired: "ldap.user.password_expired", stateDisabled: "ldap.user.disabled",
	stateExpired: "ldap.user.expired", statePasswordChange: "ldap.user.password_change", stateLocked: "ldap.user.locked",
}

// lockedError is the refusal of an account that is in a state, one of those above
// or in other words.
func lockedError(state string) error { return accountState{text: state}.refusal() }

// passwordState returns why the password policy forbids to log in, if it does;
// draft-behera-ldap-password-policy, section 6.2, and draft-vchu-ldap-pwd-policy.
func passwordState(controls []ldap.Control) string {
	for _, c := range controls {
		switch c := c.(type) {
		case *ldap.ControlBeheraPasswordPolicy:
			switch {
			case c.Error == ldap.BeheraPasswordExpired:
				return statePasswordExpired
			case c.Error == ldap.BeheraAccountLocked:
				return stateLocked
			case c.Error == ldap.BeheraChangeAfterReset:
				return statePasswordChange
			case c.Error >= 0:
				return "password policy: " + c.ErrorString
			}
		case *ldap.ControlVChuPasswordMustChange:
			return statePasswordChange
		}
	}
	return ""
}

// gaveUp is the error for a question whose context was done before it was asked.
func gaveUp(ctx context.Context) error {
	return fault.With("backend.gave_up", fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err()))
}
