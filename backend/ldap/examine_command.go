package ldap

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// The commands that do what a step does, for whoever runs the directory: with
// their own tool they see the same.

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shell returns a line of which a shell makes exactly these words.
func shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if !plainWord.MatchString(w) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// ldapsearch returns the command that runs a query as the service account. It
// asks for the password.
func (e *examination) ldapsearch(q query) string {
	switch {
	case e.config.SASLExternal:
		return e.ldapsearchAs(q, "-Y", "EXTERNAL")
	case e.config.BindDN != "":
		return e.ldapsearchAs(q, "-x", "-D", e.config.BindDN, "-W")
	}
	return e.anonymous(q)
}

// anonymous returns the command that runs a query without a login.
func (e *examination) anonymous(q query) string { return e.ldapsearchAs(q, "-x") }

func (e *examination) ldapsearchAs(q query, login ...string) string {
	a := e.server
	if a.host == "" {
		a, _ = parseAddress(e.config.URLs[0])
	}
	words := []string{"ldapsearch", "-LLL", "-H", a.url()}
	if a.scheme == "ldapi" {
		words[3] = "ldapi://" + url.QueryEscape(a.host)
	}
	if e.startsTLS(a) {
		words = append(words, "-ZZ")
	}
	words = append(words, login...)
	if e.config.followsAliases() {
		words = append(words, "-a", "always")
	}
	scope := map[int]string{ldap.ScopeBaseObject: "base", ldap.ScopeSingleLevel: "one", ldap.ScopeWholeSubtree: "sub"}[q.scope]
	words = append(words, "-b", q.base, "-s", scope, q.filter)
	return e.environment() + shell(append(words, q.attributes...)...)
}

// startsTLS reports whether connections to a server are encrypted after they
// are made.
func (e *examination) startsTLS(a address) bool {
	return a.scheme == "ldap" && (e.config.StartTLS || !e.config.InsecurePlaintext)
}

// environment returns the settings of OpenLDAP's tools for the files that
// connections are encrypted with.
func (e *examination) environment() string {
	text := ""
	for _, v := range [][2]string{{"LDAPTLS_CACERT", e.config.CAFile}, {"LDAPTLS_CERT", e.config.CertFile}, {"LDAPTLS_KEY", e.config.KeyFile}} {
		if v[1] != "" {
			text += v[0] + "=" + shell(v[1]) + " "
		}
	}
	return text
}

// sClient returns the command that shows the certificates of a server.
func (e *examination) sClient(a address) string {
	words := []string{"openssl", "s_client", "-showcerts", "-connect", net.JoinHostPort(a.ipOrHost(), a.port)}
	if e.startsTLS(a) {
		words = append(words, "-starttls", "ldap")
	}
	name := a.host
	if e.config.ServerName != "" {
		name = e.config.ServerName
	}
	if net.ParseIP(name) == nil {
		words = append(words, "-servername", name)
	}
	if e.config.CAFile != "" {
		words = append(words, "-CAfile", e.config.CAFile)
	}
	return shell(words...)
}
