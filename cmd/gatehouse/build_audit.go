package main

import "gatehouse/gateway/record"

// auditPath returns the path of the audit log, empty for none.
func (a *assembly) auditPath() string {
	c := a.config
	if c.AuditLog == record.StandardOutput {
		return c.AuditLog
	}
	return c.Origin.File(c.AuditLog, "audit_log")
}

// checkAudit refuses what would deny everything, or only seem to record.
func (a *assembly) checkAudit() {
	if a.config.AuditRequired && a.config.AuditLog == "" {
		a.report.Errorf(a.config.Origin.At("audit_required"), "audit_required without audit_log: name the file to record decisions in, or leave audit_required out")
	}
	if path := a.auditPath(); path != record.StandardOutput {
		a.checkPlace(a.config.Origin.At("audit_log"), path, 0)
	}
}
