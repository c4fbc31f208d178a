package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/gateway/record"
)

// recordAccess writes the access record of an exchange that has ended.
func (x *exchange) recordAccess() {
	x.site.access.Record(&record.Access{
		Start: x.start, Took: time.Since(x.start), ID: x.id,
		Source: x.from.text, User: x.user(), Backend: x.who.Identity.Source,
		Method: x.r.Method, Host: x.r.Host, Target: x.sentTarget(), Proto: x.r.Proto,
		UserAgent: x.sentAgent(), Referer: x.r.Referer(),
		Rule: x.decision.Rule, Status: x.loggedStatus(), Bytes: x.sent,
		Cache: string(x.call.Cache), Cause: x.cause, Code: x.faultCode(), Reason: x.reason(),
	})
	if x.cause != nil && !x.site.access.SaysCauses() {
		x.logCause()
	}
}

// logCause writes to the log of the program what went wrong with a request and was not
// the client's doing.
func (x *exchange) logCause() {
	cutShort := x.status != 0 && x.status < http.StatusBadRequest && !x.clientGone()
	misdirected := x.status == http.StatusMisdirectedRequest // by a proxy before the gateway, as a rule
	if cutShort || misdirected || x.status >= http.StatusInternalServerError {
		x.site.log.Error("request failed", "id", x.id, "status", x.status, fault.Attr, fault.Of(x.cause), "cause", record.Bounded(x.cause.Error()))
	}
}

// statusClientGone is what the record says of a request that nobody waited for
// any more. It is nginx's number; no client ever sees it.
const statusClientGone = 499

// loggedStatus is the status that the client saw, or was going to.
func (x *exchange) loggedStatus() int {
	if x.status == 0 {
		return statusClientGone
	}
	return x.status
}

// user is the name to log: the one that the backend vouched for, else the one that
// was sent.
func (x *exchange) user() string {
	if x.who.LoggedIn {
		return x.who.Identity.User
	}
	return x.claimed
}

// sentAgent returns the program that the client says it is, without the user parts of URLs:
// people paste those into the settings of programs.
func (x *exchange) sentAgent() string { return shown.WithoutUserinfo(x.r.UserAgent()) }

// sentTarget is the target of the request as it was sent, but for the user part of a
// URL, in which browsers and scripts put passwords.
func (x *exchange) sentTarget() string {
	target := x.r.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = shown.WithoutUserinfo(target)
	}
	path, query, ok := strings.Cut(target, "?")
	plain, err := url.PathUnescape(path)
	if !ok || err == nil && !strings.HasSuffix(strings.TrimRight(plain, "/"), "/token") {
		return target
	}
	return path + "?" + shownTokenQuery(query)
}

// shownTokenQuery returns the query of a request for a token as it may be logged, whether
// such requests are served or not: without the values of all parameters but those that
// are no secret.
func shownTokenQuery(query string) string {
	var kept []string
	for param := range strings.SplitSeq(query, "&") {
		name, _, ok := strings.Cut(param, "=")
		if ok && name != "scope" && name != "service" || !ok && len(param) > maxShownName {
			param = name[:min(len(name), maxShownName)] + "=" + shown.Redacted
		}
		kept = append(kept, param)
	}
	return strings.Join(kept, "&")
}

// maxShownName is longer than the name of any parameter of a request for a token.
const maxShownName = 16
