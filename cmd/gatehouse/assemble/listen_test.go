package assemble

import (
	"testing"

	"gatehouse/cmd/gatehouse/config"
)

func TestPlainHTTPNeedsLoopbackOrConsent(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:5043": true, "127.9.9.9:5043": true, "[::1]:5043": true, "localhost:5043": true, "[::ffff:127.0.0.1]:5043": true,
		":5043": false, "0.0.0.0:5043": false, "[::]:5043": false, "192.0.2.1:5043": false, "registry.example:5043": false, "127.0.0.1.example:5043": false,
	} {
		for _, consent := range []bool{false, true} {
			c := &config.Document{Settings: config.Defaults()}
			c.Listen = []string{addr}
			c.InsecurePlaintext = consent
			a := &Assembly{Config: c}
			a.checkListen()
			if got, want := a.Report.Err() == nil, ok || consent; got != want {
				t.Errorf("listen %s with insecure_plaintext = %v: accepted %v, want %v", addr, consent, got, want)
			}
		}
	}
}
