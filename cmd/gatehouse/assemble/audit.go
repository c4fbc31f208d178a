package assemble

import "gatehouse/gateway/record"

// AuditPath returns the path of the audit log, empty for none.
func (a *Assembly) AuditPath() string {
	c := a.Config
	if c.AuditLog == record.StandardOutput {
		return c.AuditLog
	}
	return c.Origin.File(c.AuditLog, "audit_log")
}

// checkAudit refuses what would deny everything, or only seem to record.
func (a *Assembly) checkAudit() {
	if a.Config.AuditRequired && a.Config.AuditLog == "" {
		a.Report.Errorf(a.Config.Origin.At("audit_required"), "audit_required without audit_log: name the file to record decisions in, or leave audit_required out")
	}
	if path := a.AuditPath(); path != record.StandardOutput {
		a.checkPlace(a.Config.Origin.At("audit_log"), path, 0)
	}
}
