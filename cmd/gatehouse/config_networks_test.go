package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/config"
)

// A network is read alike wherever it stands: what is refused in a rule is refused, in
// the same words, in trusted_proxies.
func TestCODE2NetworksAreReadInOneWay(t *testing.T) {
	path := filepath.Join(workspace(t, "bad"), "bad", "network.toml")
	said := func(proxies, item string) string {
		t.Helper()
		text := fmt.Sprintf("trusted_proxies = [%s]\nlisten = [\"127.0.0.1:5043\"]\n"+
			"[[backend]]\nname = \"local\"\ntype = \"htpasswd\"\nusers_file = \"../files/users\"\n"+
			"[[route]]\npath = \"/v2/\"\nupstream = \"http://127.0.0.1:5000\"\nbackend = \"local\"\n"+
			"[[route.rule]]\nname = \"in\"\nrequire = [%q]\n", proxies, item)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		errs, _ := problems(t, path)
		if len(errs) == 0 {
			return ""
		}
		if len(errs) > 1 {
			t.Fatalf("%q, %q: %v", proxies, item, &config.Error{Errors: errs})
		}
		return errs[0].Message
	}
	for network, ok := range map[string]bool{
		"10.0.0.1": true, "10.0.0.0/8": true, "10.0.0.1/32": true, "2001:db8::/32": true, "2001:db8::1": true, "::ffff:10.0.0.0/104": true, "::ffff:10.0.0.1": true,
		"10.0.0.1/8": false, "2001:db8::1/32": false, "::ffff:10.0.0.1/104": false, "::ffff:0:0/90": false, "10.0.0.0/33": false, "10.0.0/8": false, "10.0.0.0/08": false,
		"10.0.0.0/255.0.0.0": false, "fe80::1%eth0": false, "fe80::%eth0/64": false, "proxy.example": false, "10.0.0.1:80": false,
	} {
		proxies, rule := said(fmt.Sprintf("%q", network), "valid-user"), said("", "ip "+network)
		if (proxies == "") != ok || (rule == "") != ok {
			t.Errorf("%s: in trusted_proxies %q, in a rule %q", network, proxies, rule)
		}
		if !strings.HasSuffix(rule, proxies) {
			t.Errorf("%s: in trusted_proxies %q, in a rule %q", network, proxies, rule)
		}
	}
}
