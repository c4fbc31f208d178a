package fault

import (
	"cmp"
	"strings"
)

// A Reason says in one word of a small set why a request ended as it did. Many codes share
// one, so that it can be the label of a metric that people read: see [Code.Reason].
type Reason string

// failed is the reason of whatever has no code.
const failed Reason = "failed"

// reasons are the one table of reasons. A row holds for a code and for all codes below it,
// unless these have rows of their own. Codes that say no more than what the system said of
// a file or a certificate have none: the kind of the error has.
var reasons = map[Code]Reason{
	"login":                "backend_unavailable",
	"login.required":       "no_credentials",
	"login.malformed":      "malformed_credentials",
	"login.unknown_user":   "unknown_user",
	"login.wrong_password": "wrong_password",
	"login.outdated":       "wrong_password",
	"login.locked":         "locked",
	"login.replaced":       "unknown_user",
	"login.crowded":        "busy",
	"login.connections":    "busy",

	"shield":         "wrong_password",
	"shield.locked":  "locked",
	"shield.unclear": "backend_unavailable",

	"flood":           "backend_unavailable",
	"flood.throttled": "too_many_requests",

	"backend":  "backend_unavailable",
	"cache":    "backend_unavailable",
	"groups":   "backend_unavailable",
	"htpasswd": "backend_unavailable",
	"ldap":     "backend_unavailable",

	"ldap.user.unknown":          "unknown_user",
	"ldap.user.ambiguous":        "wrong_password",
	"ldap.user.misnamed":         "wrong_password",
	"ldap.user.wrong_password":   "wrong_password",
	"ldap.user.locked":           "locked",
	"ldap.user.disabled":         "locked",
	"ldap.user.expired":          "locked",
	"ldap.user.password_expired": "locked",
	"ldap.user.password_change":  "locked",
	"ldap.user.hours":            "locked",
	"ldap.user.computer":         "locked",
	"ldap.user.refused":          "locked",

	"rule":      "rule",
	"rule.none": "no_rule",
	"route":     "not_found",

	"request":                    "bad_request",
	"request.too_large":          "headers_too_large",
	"request.manifest_too_large": "size_invalid",
	"request.unsupported":        "unsupported",
	"request.misdirected":        "misdirected_request",
	"request.immutable_tag":      "immutable_tag",
	"request.groups_too_long":    "groups_too_long",
	"request.held_memory":        "busy",
	"request.client_gone":        "client_gone",
	"request.body_broken_off":    "client_gone",
	"request.stuck":              "client_stuck",
	"request.unread":             "client_stuck",
	"request.panic":              failed,

	"upstream":             "upstream_unreachable",
	"upstream.busy":        "busy",
	"upstream.answer":      "upstream_answer",
	"upstream.answer.late": "upstream_timeout",

	"token":           "invalid_token",
	"token.scope":     "insufficient_scope",
	"token.own.limit": "insufficient_scope",
	"token.page":      "bad_request",
	"token.keys":      "",

	"audit": "unaudited",

	"file": "", "tls": "", "config": "", "reload": "", "listen": "", "admin": "", "access": "", "systemd": "",
}

// Reason returns the reason of a code, which is empty for one that says too little.
func (c Code) Reason() Reason {
	row, _ := rowOf(c)
	return reasons[row]
}

// rowOf returns the row that holds for c, and whether there is one.
func rowOf(c Code) (row Code, ok bool) {
	for row = c; row != ""; row = row[:max(0, strings.LastIndexByte(string(row), '.'))] {
		if _, ok := reasons[row]; ok {
			return row, true
		}
	}
	return "", false
}

// ReasonOf returns the reason of the code of err, and else that of its kind. It is "failed"
// if neither has one.
func ReasonOf(err error) Reason {
	return cmp.Or(Of(err).Reason(), find(err, ofKind).Reason(), failed)
}
