package main_test

import (
	"path/filepath"
	"testing"
)

// The alert rules are good ones to Prometheus itself, and do what their tests say.
func TestPromtoolAcceptsTheAlerts(t *testing.T) {
	needs(t, "promtool")
	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", filepath.Join(deploy, "prometheus-alerts.yml")},
		{"test", "rules", filepath.Join(deploy, "prometheus-alerts-test.yml")},
	} {
		if out, err := command(t, "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args[:2], err, out)
		}
	}
}
