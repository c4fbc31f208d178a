package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// pasted is a password that stands where it does not belong. No output may have it, or
// the first part of it.
const pasted = "Wint3r-Pa55word!"

// leadKeys returns the keys of a struct that lead to a secret, and those of URLs.
func leadKeys(t reflect.Type) (leads, urls []string) {
	for key, f := range config.Fields(t) {
		switch f.Type {
		case reflect.TypeFor[config.Lead]():
			leads = append(leads, key)
		case reflect.TypeFor[config.URL](), reflect.TypeFor[[]config.URL]():
			urls = append(urls, key)
		}
	}
	slices.Sort(leads)
	return leads, urls
}

// Whatever is called like a secret has the type of a lead: a new key that forgets it
// fails here.
func TestKeysThatLeadToSecretsHaveTheirType(t *testing.T) {
	named := regexp.MustCompile(`(pass|secret|token|key|cred|_env$).*`)
	harmless := regexp.MustCompile(`^(token_groups|token_url|upstream_token_issuer|upstream_token_service|keep_headers)$`)
	types := []reflect.Type{reflect.TypeFor[config.TLS](), reflect.TypeFor[config.Route](), reflect.TypeFor[config.Admin](), reflect.TypeFor[config.Settings]()}
	for _, k := range assemble.Kinds() {
		types = append(types, k.Keys)
	}
	for _, typ := range types {
		for key, f := range config.Fields(typ) {
			if f.Type.Kind() == reflect.String && named.MatchString(key) && !harmless.MatchString(key) && f.Type != reflect.TypeFor[config.Lead]() {
				t.Errorf("%s.%s is called like a secret and is no lead", typ, key)
			}
			if regexp.MustCompile(`^(urls?|upstream)$`).MatchString(key) && f.Type != reflect.TypeFor[config.URL]() && f.Type != reflect.TypeFor[[]config.URL]() {
				t.Errorf("%s.%s is a URL and no serverURL", typ, key)
			}
		}
	}
}

// leadConfig returns a configuration with lines in the tables that have leads.
func leadConfig(tls, ldap, route string) string {
	return "listen = [\"127.0.0.1:0\"]\n" + tls + `
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
user_bases = ["dc=example,dc=test"]
` + ldap + `
[[route]]
path = "/v2/"
backend = "corp"
` + route + `
  [[route.rule]]
  name = "any"
  require = ["valid-user"]
`
}

// TestCLI1PastedPasswordIsNotShown has every key that leads to a secret be wrong in
// every way, and every command that reads a configuration say so.
func TestCLI1PastedPasswordIsNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "svc.pw"), "x")
	if err := os.Mkdir(filepath.Join(dir, pasted), 0o700); err != nil {
		t.Fatal(err)
	}
	values := []string{ // %s is the password
		`= "%s"`, `= "%s`, `= '%s'`, `= %s`, `= "./%s"`, `= "%s/x"`, `= "x\u0000%s"`, `= "%s\n"`, `= ["%s"]`, `= ["%s", 5]`, `= { x = "%s" }`, `= { "%s" = 1 }`,
		`= """%s"""`, `= "a=%s"`, `= "%s" "%s"`, `= "x" # %s`, "= [\n  \"%s\",\n  5,", `= "x\y%s"`, `.x = "%s"`, `."%s" = 1`, `"%s"`, `= 1e%s`,
	}
	const ldapLine, routeLine = `urls = ["ldaps://127.0.0.1:1"]`, `upstream = "http://127.0.0.1:1"`
	var texts []string
	for _, value := range values {
		value = strings.ReplaceAll(value, "%s", pasted)
		for _, key := range must(leadKeys(reflect.TypeFor[config.TLS]())) {
			texts = append(texts, leadConfig("[tls]\ncert_file = \"svc.pw\"\n"+key+" "+value, ldapLine, routeLine))
		}
		for _, key := range must(leadKeys(assemble.Kinds()["ldap"].Keys)) {
			texts = append(texts, leadConfig("", ldapLine+"\nbind_dn = \"cn=svc\"\n"+key+" "+value, routeLine))
		}
		for _, key := range must(leadKeys(reflect.TypeFor[config.Route]())) {
			texts = append(texts, leadConfig("", ldapLine, routeLine+"\nupstream_user = \"gate\"\n"+key+" "+value))
		}
	}
	for _, url := range []string{"%s", "svc:%s", "x://svc:%s@h", "x://%s@h", "x://svc:a/%s@h", "x://svc:%s", "x://svc#%s@h", "x://svc:a b%s@h", "x://svc:a%%zz%s@h:1"} {
		for _, form := range []string{`"%s"`, `["%s"]`, `'%s'`, `%s`, `"%s`, `["%s", 5]`, `[["%s"]]`, `{ x = "%s" }`, `"""%s"""`} {
			for _, scheme := range []string{"ldaps:", "http:"} {
				value := fmt.Sprintf(form, strings.ReplaceAll(strings.Replace(url, "x:", scheme, 1), "%s", pasted))
				texts = append(texts, leadConfig("", "urls = "+value, routeLine), leadConfig("", ldapLine, "upstream = "+value))
			}
		}
	}
	config := filepath.Join(dir, "config.toml")
	for i, text := range texts {
		put(t, config, text)
		commands := [][]string{{"check"}, {"check", "-o", "json"}}
		if i%8 == 0 { // they read it the same way
			commands = append(commands, []string{"serve"}, []string{"doctor"}, []string{"doctor", "-o", "json"}, []string{"explain", "--user", "u", "pull", "a"}, []string{"whoami", "--user", "u"}, []string{"status"}, []string{"reload"}, []string{"can-i", "--list"})
		}
		for _, args := range commands {
			var out strings.Builder
			if run(t.Context(), append(args, "--config", config), stdio{strings.NewReader(""), &out, &out}) == 0 && args[0] == "check" {
				t.Errorf("%v takes\n%s", args, text)
			}
			if strings.Contains(out.String(), "Wint3r") {
				t.Errorf("%v of\n%s\nsays\n%s", args, text, out.String())
			}
		}
	}
	t.Logf("%d configurations", len(texts))
}

// A URL with a password in it may also be pasted where no URL belongs. Paths of files lose
// one of its slashes.
func TestCLI1URLInAnotherKeyIsNotShown(t *testing.T) {
	t.Parallel()
	const ldapLine, routeLine = `urls = ["ldaps://127.0.0.1:1"]`, `upstream = "http://127.0.0.1:1"`
	config := filepath.Join(t.TempDir(), "config.toml")
	for _, url := range []string{"http://u:%s@h", "http://%s@h:1/x", "//u:%s@h", "http;//u:%s@h", "unix:/u:%s@h", "u:%s@h", ":%s@h:443", "u:a/%s@h", "u:a b%s@h", "http//u:%s@h", "http//%s@h"} {
		value := `"` + strings.ReplaceAll(url, "%s", pasted) + `"`
		for _, text := range []string{
			leadConfig("audit_log = "+value+"\n", ldapLine, routeLine),
			leadConfig("trusted_proxies = ["+value+"]\n", ldapLine, routeLine),
			leadConfig("[admin]\nlisten = "+value+"\n", ldapLine, routeLine),
			leadConfig("", ldapLine+"\nca_file = "+value, routeLine),
			leadConfig("", ldapLine+"\nserver_name = "+value, routeLine),
			leadConfig("", ldapLine, routeLine+"\nupstream_ca_file = "+value),
			leadConfig("", ldapLine, routeLine+"\ncors_origins = ["+value+"]"),
			leadConfig("", ldapLine, routeLine+"\nregistry = "+value),
			leadConfig("", ldapLine, routeLine+"\nhost = "+value),
			leadConfig("", ldapLine, routeLine+"\nhosts = ["+value+"]"),
			leadConfig("", ldapLine, routeLine+"\ncors_origins = "+value),
			leadConfig("", ldapLine, routeLine+"\ncatalog_ttl = "+value),
			leadConfig("", ldapLine, routeLine+"\ncatalog = "+value),
			leadConfig("", ldapLine, routeLine+"\npath = "+value),
			leadConfig("", ldapLine, routeLine+"\nbackend = "+value),
			leadConfig("", ldapLine, routeLine+"\nkeep_headers = ["+value+"]"),
			leadConfig("[admin]\nsocket = "+value+"\n", ldapLine, routeLine),
			leadConfig("[admin]\nlisten = \"127.0.0.1:0\"\nhosts = ["+value+"]\n", ldapLine, routeLine),
			leadConfig("[health]\npath = "+value+"\n", ldapLine, routeLine),
			leadConfig("[tls]\ncert_file = "+value+"\n", ldapLine, routeLine),
			leadConfig("[tokens]\nstate_file = "+value+"\n", ldapLine, routeLine),
			strings.Replace(leadConfig("", ldapLine, routeLine), "[\"127.0.0.1:0\"]", "["+value+"]", 1),
		} {
			put(t, config, text)
			ended, end := context.WithCancel(t.Context())
			end() // serve ends at once where the configuration is taken
			for _, args := range [][]string{{"check"}, {"check", "-o", "json"}, {"serve"}} {
				var out strings.Builder
				run(ended, append(args, "--config", config), stdio{strings.NewReader(""), &out, &out})
				if strings.Contains(out.String(), "Wint3r") {
					t.Errorf("%v of\n%s\nsays\n%s", args, text, out.String())
				}
			}
		}
	}
}

func must(leads, _ []string) []string { return leads }

// The environment and flags lead to secrets too.
func TestCLI1PastedPasswordInFlagsIsNotShown(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "users"), userLine(t, "alice"))
	var out strings.Builder
	std := stdio{strings.NewReader(""), &out, &out}
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--users", filepath.Join(dir, "users")}
	run(t.Context(), append(serve, "--upstream", "http://127.0.0.1:1", "--cert", filepath.Join(dir, "users"), "--key", pasted), std)
	run(t.Context(), append(serve, "--upstream", "http://u:"+pasted+"@h:1"), std)
	run(t.Context(), append(serve, "--upstream", pasted), std)
	run(t.Context(), append(serve, "--upstream", "http://127.0.0.1:1", "--listen", "u:"+pasted+"@h:1"), std)
	t.Setenv("GATEHOUSE_TLS_KEY_FILE", pasted)
	run(t.Context(), append(serve, "--upstream", "http://127.0.0.1:1"), std)
	if strings.Contains(out.String(), "Wint3r") || !strings.Contains(out.String(), "--upstream") {
		t.Errorf("printed\n%s", out.String())
	}
}
