package main

import (
	"os"
	"regexp"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// The documentation of the package is the manual: it has a line for every key.
func TestManualOfLDAPNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../backend/ldap/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for key := range config.Fields(assemble.Kinds()["ldap"].Keys) {
		if !regexp.MustCompile(`(?m)^//\t(\w+, )?` + key + `\b`).Match(text) {
			t.Errorf("the manual has no line for %s", key)
		}
	}
}
