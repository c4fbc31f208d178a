package gateway

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// Bounds of what an upstream adds to a record.
const (
	maxAuditDigest = 256                  // of SHA-512 it is 135
	auditAnswer    = maxAuditDigest + 128 // with its name, the status and the counts
)

var errUnaudited = fault.Kind("audit.unwritable", "the audit log does not take records, and audit_required is set")

// promiseAudit denies what could not be recorded, where a record is required.
func (x *exchange) promiseAudit() *problem {
	a := x.site.audit
	if a == nil || !x.site.auditRequired {
		return nil
	}
	// No more than the record will take: each running request holds its promise,
	// and may run for hours.
	room := 0
	x.auditRecord().Encode(func(line []byte) { room = len(line) + auditAnswer })
	if !a.Reserve(room) {
		return unavailable("requests cannot be recorded at the moment; please try again", errUnaudited)
	}
	x.auditRoom = room
	return nil
}

// recordAudit writes the record of an exchange that has ended.
func (x *exchange) recordAudit() {
	if x.site.audit != nil {
		x.auditRecord().Encode(func(line []byte) { x.site.audit.Write(line, x.auditRoom) })
	}
}

func (x *exchange) auditRecord() record.Decision {
	r := record.Decision{
		Time:    x.start.UTC(),
		ID:      x.id,
		Source:  x.from.text,
		Backend: x.who.Identity.Source,
		Cache:   string(x.call.Cache),
		Method:  record.Bounded(x.r.Method),
		Host:    record.Bounded(x.host),
		Path:    record.Bounded(x.target.Path),

		MountFrom: x.mountFrom,

		Rule:     x.decision.Rule,
		Decision: x.outcome(),
		Status:   x.loggedStatus(),
		Code:     x.faultCode(),
		Reason:   x.reason(),
		Bytes:    x.sent,
	}
	x.describeTokens(&r)
	if x.who.LoggedIn {
		r.Via = string(cmp.Or(x.who.Via, rules.ByPassword))
		r.User, r.Groups = x.who.Identity.User, x.route.policy.NamedOf(x.who)
		r.ExpiresIn = secondsUntil(x.who.Identity.Expires, x.start)
	} else {
		r.Claimed = record.Bounded(x.claimed)
	}
	if r.Path == "" { // it was refused before it was read
		r.Path = record.Bounded(x.sentTarget())
	}
	if x.upload != nil {
		r.Received = x.upload.received(x.r.ContentLength)
	}
	x.describeContent(&r)
	if x.who.LoggedIn {
		for _, group := range x.route.policy.GroupsAt(r.Repository, x.who) {
			if !slices.Contains(r.Groups, group) {
				r.Groups = append(r.Groups, group)
			}
		}
	}
	return r
}

// describeTokens says which tokens the request came with, or got.
func (x *exchange) describeTokens(r *record.Decision) {
	if x.token.opened || x.issued {
		r.Token, r.Grace = x.token.ID.String(), x.token.grace
	}
	if x.ownToken != "" {
		r.Token = x.ownToken
	}
	if x.own != nil {
		r.Own = x.own.ID
	}
	if x.refresh != (token.ID{}) {
		r.Refresh = x.refresh.String()
	}
}

// describeContent says what of a registry the request is about.
func (x *exchange) describeContent(r *record.Decision) {
	e := x.endpoint()
	r.Action, r.Repository = string(e.Action(x.r.Method)), record.Bounded(e.Repository)
	r.Tag, r.Digest = record.Bounded(e.Tag()), record.Bounded(e.Digest())
	if said := x.w.Header().Get("Docker-Content-Digest"); len(said) <= maxAuditDigest && oci.IsDigest(said) {
		r.Digest = said // which is what there is, whatever was asked for
	}
}

// secondsUntil returns how long it is from now to a time as RFC 3339 has it: 0 if there
// is none, or it is over.
func secondsUntil(moment string, now time.Time) int64 {
	end, err := time.Parse(time.RFC3339, moment)
	if err != nil || !end.After(now) {
		return 0
	}
	return int64(end.Sub(now) / time.Second)
}

// auditLogs are those that a gateway has had, each of which may still lose records
// when no request uses it any more.
type auditLogs struct {
	mu  sync.Mutex
	all []*record.AuditLog
}

// add takes down that a is in use, which may be nil.
func (l *auditLogs) add(a *record.AuditLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a != nil && !slices.Contains(l.all, a) {
		l.all = append(l.all, a)
	}
}

// lost returns how many records all of them have lost.
func (l *auditLogs) lost() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.all {
		n += a.Lost()
	}
	return n
}
