package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway"
)

func TestWhySaysTheCodeAndWhatToDo(t *testing.T) {
	r := explain.Refused(gateway.Refusal{ID: "7K2M9QX4", Time: time.Now(), Method: "GET", Target: "/v2/", Reason: "backend_unavailable", Cause: "TLS handshake: x", Code: "ldap.tls.unknown_authority"})
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	if want := "ldap.tls.unknown_authority: " + fault.Code("ldap.tls.unknown_authority").Advice(); !strings.Contains(out.String(), want) {
		t.Errorf("want %q in\n%s", want, out.String())
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"code":"ldap.tls.unknown_authority"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
