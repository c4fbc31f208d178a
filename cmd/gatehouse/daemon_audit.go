package main

import (
	"gatehouse/gateway/record"
)

// auditLog returns the audit log that c names, nil if it names none. It is the one
// in use if that has the same name.
func (d *daemon) auditLog(c *Config) (*record.AuditLog, error) {
	path := c.auditPath()
	if path == "" {
		return nil, nil
	}
	if old := d.current.Load(); old != nil && old.audit != nil && old.config.auditPath() == path {
		return old.audit, nil
	}
	return record.OpenAuditLog(path, d.log)
}

// auditPath returns the path of the audit log, empty for none.
func (c *Config) auditPath() string {
	if c.AuditLog == record.StandardOutput {
		return c.AuditLog
	}
	return c.origin.file(c.AuditLog, "audit_log")
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

// checkAudit refuses what would deny everything, or only seem to record.
func (a *assembly) checkAudit() {
	if a.config.AuditRequired && a.config.AuditLog == "" {
		a.report.errorf(a.config.origin.at("audit_required"), "audit_required without audit_log: name the file to record decisions in, or leave audit_required out")
	}
	if path := a.config.auditPath(); path != record.StandardOutput {
		a.checkPlace(a.config.origin.at("audit_log"), path, 0)
	}
}
