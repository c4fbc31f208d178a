package main

import (
	"gatehouse/gateway/record"
)

// auditLog returns the audit log that a names, nil if it names none. It is the one
// in use if that has the same name.
func (d *daemon) auditLog(a *assembly) (*record.AuditLog, error) {
	path := a.auditPath()
	if path == "" {
		return nil, nil
	}
	if old := d.current.Load(); old != nil && old.audit != nil && old.auditPath() == path {
		return old.audit, nil
	}
	return record.OpenAuditLog(path, d.log)
}

// closeAudit closes the audit log of a unless another configuration uses it too.
func (d *daemon) closeAudit(a *assembly) error {
	for other := range d.open {
		if other != a && other.audit == a.audit {
			return nil
		}
	}
	if a.audit == nil {
		return nil
	}
	return a.audit.Close()
}

// reopenAudit goes on in a new file, for programs that rotate logs.
func (d *daemon) reopenAudit() {
	a := d.current.Load()
	if a == nil || a.audit == nil {
		return
	}
	if err := a.audit.Reopen(); err != nil {
		d.log.Error("the audit log goes on in its old file", "error", err)
	}
}
