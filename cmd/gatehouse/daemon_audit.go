package main

import (
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
	d.mu.Lock()
	audit := d.open[d.current.Load()]
	d.mu.Unlock()
	if audit == nil {
		return
	}
	if err := audit.Reopen(); err != nil {
		d.log.Error("the audit log goes on in its old file", "error", err)
	}
}
