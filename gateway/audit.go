package gateway

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/gateway/oci"
)

// auditRecord is what the audit log says of one request, as a line of JSON.
type auditRecord struct {
	Time       time.Time `json:"time"`
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	User       string    `json:"user,omitempty"`                // whom a backend vouched for
	Groups     []string  `json:"groups,omitempty"`              // of the user, those that rules of the route name
	ExpiresIn  int64     `json:"password_expires_in,omitempty"` // seconds, where the backend says that it is soon
	Claimed    string    `json:"claimed,omitempty"`             // the name that was sent, where nobody vouched for it
	Backend    string    `json:"backend,omitempty"`
	Cache      string    `json:"cache,omitempty"`
	Method     string    `json:"method"`
	Host       string    `json:"host,omitempty"`
	Path       string    `json:"path"`
	Action     string    `json:"action,omitempty"` // what the request does to a registry, as package oci has it
	Repository string    `json:"repository,omitempty"`
	MountFrom  string    `json:"mount_from,omitempty"` // the repository that a blob is taken from
	Tag        string    `json:"tag,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Rule       string    `json:"rule,omitempty"`
	Decision   string    `json:"decision"`
	Status     int       `json:"status"`
	Bytes      int64     `json:"bytes"`    // of the answer's body
	Received   int64     `json:"received"` // of the request's body
}

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
	x.encodeAudit(func(record []byte) { room = len(record) + auditAnswer })
	if !a.reserve(room) {
		return unavailable("requests cannot be recorded at the moment; please try again", errUnaudited)
	}
	x.auditRoom = room
	return nil
}

// auditBuffers keeps records from being allocated anew.
var auditBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// recordAudit writes the record of an exchange that has ended.
func (x *exchange) recordAudit() {
	if x.site.audit != nil {
		x.encodeAudit(func(record []byte) { x.site.audit.write(record, x.auditRoom) })
	}
}

// encodeAudit calls use with the record of what is known by now. Use must not keep it.
func (x *exchange) encodeAudit(use func(record []byte)) {
	b := auditBuffers.Get().(*bytes.Buffer)
	defer auditBuffers.Put(b)
	b.Reset()
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(x.auditRecord()) // of which nothing can fail
	use(shown.JSON(b.Bytes()))
}

func (x *exchange) auditRecord() auditRecord {
	r := auditRecord{
		Time:    x.start.UTC(),
		ID:      x.id,
		Source:  x.from.text,
		Backend: x.who.Identity.Source,
		Cache:   string(x.call.Cache),
		Method:  bounded(x.r.Method),
		Host:    bounded(x.host),
		Path:    bounded(x.target.Path),

		MountFrom: x.mountFrom,

		Rule:     x.decision.Rule,
		Decision: x.outcome(),
		Status:   x.loggedStatus(),
		Bytes:    x.sent,
	}
	if x.who.LoggedIn {
		r.User, r.Groups = x.who.Identity.User, x.route.policy.named(x.who)
		r.ExpiresIn = secondsUntil(x.who.Identity.Expires, x.start)
	} else {
		r.Claimed = bounded(x.claimed)
	}
	if r.Path == "" { // it was refused before it was read
		r.Path = bounded(x.sentTarget())
	}
	if x.upload != nil {
		r.Received = x.upload.received(x.r.ContentLength)
	}
	x.describeContent(&r)
	return r
}

// describeContent says what of a registry the request is about.
func (x *exchange) describeContent(r *auditRecord) {
	e := oci.Parse(x.root(), x.target.Path)
	r.Action, r.Repository = string(e.Action(x.r.Method)), bounded(e.Repository)
	r.Tag, r.Digest = bounded(e.Tag()), bounded(e.Digest())
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
