package main

import (
	"fmt"
	"go/version"
	"strings"
)

// wantedToolchain is the first Go release whose net/http and crypto/tls have the
// fixes that a program like this one needs.
const wantedToolchain = "go1.26.10"

// toolchainWarning returns what there is to say about being built with a release
// of Go, as runtime.Version gives it; it is empty for one that is new enough.
func toolchainWarning(goVersion string) string {
	release, _, _ := strings.Cut(goVersion, " ") // experiments follow a blank
	if !version.IsValid(release) || version.Compare(release, wantedToolchain) >= 0 {
		return ""
	}
	return fmt.Sprintf("built with %s, which lacks security fixes to net/http that %s has; gatehouse refuses the requests that trigger what it fixes "+
		"(CONNECT, upgrades); build with %[2]s or newer", release, wantedToolchain)
}
