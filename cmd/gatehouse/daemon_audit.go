package main

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway/record"
)

// auditLog returns the audit log that a names, nil if it names none. It is the one
// in use if that has the same name.
func (d *daemon) auditLog(a *assemble.Assembly) (*record.AuditLog, error) {
	path := a.AuditPath()
	if path == "" {
		return nil, nil
	}
	if old := d.current.Load(); old != nil && d.open[old] != nil && old.AuditPath() == path {
		return d.open[old], nil
	}
	return record.OpenAuditLog(path, d.log)
}

// closeAudit closes an audit log, which may be nil, unless another configuration uses it.
func (d *daemon) closeAudit(log *record.AuditLog) error {
	if log == nil {
		return nil
	}
	for _, other := range d.open {
		if other == log {
			return nil
		}
	}
	return log.Close()
}

// reopenAudit goes on in a new file, for programs that rotate logs.
func (d *daemon) reopenAudit() {
	audit, _ := d.currentAudit()
	if audit == nil {
		return
	}
	if err := audit.Reopen(); err != nil {
		d.log.Error("the audit log goes on in its old file", "error", err)
	}
}

// auditRoom is the room that a record takes of a token that was made.
const auditRoom = 8 << 10

// errUnrecorded says that something is not done which could not be recorded.
var errUnrecorded = fault.With("audit.unwritable", errors.New("the audit log does not take records, and audit_required is set"))

// auditPromise is an audit log, nil for none, with the room that it has promised.
type auditPromise struct {
	log  *record.AuditLog
	room int
}

// promiseAudit has the audit log promise room for the record of something that must not be
// done without one.
func (d *daemon) promiseAudit() (auditPromise, error) {
	audit, required := d.currentAudit()
	switch {
	case audit == nil || !required:
		return auditPromise{audit, 0}, nil
	case !audit.Reserve(auditRoom):
		return auditPromise{}, fmt.Errorf("%w: %w", backend.ErrUnavailable, errUnrecorded)
	}
	return auditPromise{audit, auditRoom}, nil
}

// recordAudit takes down, in the log and the audit log, what somebody has done who runs the
// gateway, or why it was not done.
func (d *daemon) recordAudit(to auditPromise, r record.Administration, err error) {
	r.Time = time.Now().UTC()
	if err != nil {
		r.Code, r.Error = fault.Of(err), err.Error()
	}
	d.log.Info(r.Event, "id", r.ID, "by", r.By, "tokens", r.Tokens, "name", r.Name, "owner", r.Owner, "error", err)
	if to.log != nil {
		r.Encode(func(line []byte) { to.log.Write(line, to.room) })
	}
}

// currentAudit returns the audit log in use, nil for none, and whether it is required.
func (d *daemon) currentAudit() (*record.AuditLog, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.current.Load()
	return d.open[a], a.Config.AuditRequired
}
