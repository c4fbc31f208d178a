package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Config is what a [Backend] is made from. The zero value of a field means what
// the preset says, and else its default; the package documentation has a table.
type Config struct {
	// Preset fills in what is not set below for a kind of directory:
	// activedirectory, openldap, rfc2307, freeipa or 389ds.
	Preset string

	// URLs are the servers in the order in which they are asked. Spread asks
	// them in turn instead.
	URLs   []string
	Spread bool

	// StartTLS encrypts ldap:// connections before anything else is sent.
	// InsecurePlaintext sends passwords in the clear.
	StartTLS          bool
	InsecurePlaintext bool

	// CAFile holds the certificates to verify servers with, in place of those
	// of the system. ServerName is the name to verify, in place of the one in
	// the address. CertFile and KeyFile are shown to servers that ask.
	CAFile, ServerName, CertFile, KeyFile string

	// BindDN is the service account, and BindPassword returns its password,
	// each time that it is needed. SASLExternal has the client certificate, or
	// the owner of the process on a local socket, be the account instead.
	// Without an account searches are anonymous.
	BindDN       string
	BindPassword func() (string, error)
	SASLExternal bool

	// BindTemplate makes the name to bind as from what was typed, where users
	// are not searched for first.
	BindTemplate string

	// Domains are those that may stand beside the name of a user, as in
	// DOMAIN\user and user@domain, and mean nothing.
	Domains []string

	// UserBases, UserScope and UserFilter find the entry of a user, and
	// UserNameAttr is the attribute that holds the name.
	UserBases    []string
	UserScope    string
	UserFilter   string
	UserNameAttr string

	// GroupMode says how the groups of a user are found, the fields after it
	// where they are and what they are called.
	GroupMode        string
	GroupBases       []string
	GroupFilter      string
	GroupNameAttr    string
	GroupMemberAttrs []string
	GroupDepth       int
	PrimaryGroup     string

	// FilterGroups are groups of those users whose entries match a filter.
	FilterGroups []struct{ Name, Filter string }

	// LoginTimeout bounds a whole login, ConnectTimeout what it takes to have
	// a connection that can be used, OperationTimeout one question.
	LoginTimeout, ConnectTimeout, OperationTimeout time.Duration

	// MaxConnections bounds the connections to one server that search, and
	// those that check passwords. IdleTimeout and MaxLifetime close them.
	MaxConnections           int
	IdleTimeout, MaxLifetime time.Duration

	// GroupTTL is how long it is remembered which groups a group is in.
	GroupTTL time.Duration

	// Log takes what there is to say of the servers. Default: nothing.
	Log *slog.Logger
}

// The ways to find groups.
const (
	groupsNone     = "none"
	groupsMemberOf = "memberof"
	groupsSearch   = "search"
	groupsTokens   = "token_groups"
	groupsInChain  = "in_chain"
)

// The kinds of primary groups.
const (
	primaryNone = "none"
	primarySID  = "sid"
	primaryGID  = "gid"
)

// nameIsDN is the GroupNameAttr of groups that have no name but the DN.
const nameIsDN = "dn"

// complete returns c with the preset and the defaults filled in.
func (c Config) complete() Config {
	if p, ok := presets()[c.Preset]; ok {
		c = c.over(p)
	}
	c.UserScope = cmp.Or(c.UserScope, "sub")
	c.UserFilter = cmp.Or(c.UserFilter, "(uid={user})")
	c.UserNameAttr = cmp.Or(c.UserNameAttr, "uid")
	c.GroupMode = cmp.Or(c.GroupMode, groupsNone)
	c.GroupFilter = cmp.Or(c.GroupFilter, "(objectClass=*)")
	c.GroupNameAttr = cmp.Or(c.GroupNameAttr, "cn")
	c.GroupDepth = cmp.Or(c.GroupDepth, 10)
	c.PrimaryGroup = cmp.Or(c.PrimaryGroup, primaryNone)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 10*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.OperationTimeout = cmp.Or(c.OperationTimeout, 4*time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, 16)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 4*time.Minute)
	c.MaxLifetime = cmp.Or(c.MaxLifetime, 30*time.Minute)
	c.GroupTTL = cmp.Or(c.GroupTTL, time.Minute)
	if len(c.GroupMemberAttrs) == 0 {
		c.GroupMemberAttrs = []string{"member", "uniqueMember"}
	}
	if len(c.GroupBases) == 0 {
		c.GroupBases = c.UserBases
	}
	if c.Preset == "activedirectory" && len(c.Domains) == 0 {
		c.Domains = domainsOf(c.UserBases)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// over returns c with what it does not set taken from p.
func (c Config) over(p Config) Config {
	c.UserFilter = cmp.Or(c.UserFilter, p.UserFilter)
	c.UserNameAttr = cmp.Or(c.UserNameAttr, p.UserNameAttr)
	c.GroupMode = cmp.Or(c.GroupMode, p.GroupMode)
	c.GroupFilter = cmp.Or(c.GroupFilter, p.GroupFilter)
	c.GroupNameAttr = cmp.Or(c.GroupNameAttr, p.GroupNameAttr)
	c.PrimaryGroup = cmp.Or(c.PrimaryGroup, p.PrimaryGroup)
	if len(c.GroupMemberAttrs) == 0 {
		c.GroupMemberAttrs = p.GroupMemberAttrs
	}
	return c
}

// validate returns everything that is wrong with a complete c, each with what
// to do about it. Every error begins with the key that it is about.
func (c Config) validate() error {
	var errs []error
	add := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
	}
	if _, ok := presets()[c.Preset]; !ok && c.Preset != "" {
		add("preset", "there is no preset %q: want activedirectory, openldap, rfc2307, freeipa or 389ds", c.Preset)
	}
	c.validateServers(add)
	c.validateAccount(add)
	c.validateUsers(add)
	c.validateGroups(add)
	if c.GroupDepth < 0 || c.GroupDepth > 100 {
		add("group_depth", "%d is not within 1 and 100", c.GroupDepth)
	}
	if c.MaxConnections < 1 || c.MaxConnections > 1000 {
		add("max_connections", "%d is not within 1 and 1000", c.MaxConnections)
	}
	for key, d := range map[string]time.Duration{
		"login_timeout": c.LoginTimeout, "connect_timeout": c.ConnectTimeout, "operation_timeout": c.OperationTimeout,
		"idle_timeout": c.IdleTimeout, "max_lifetime": c.MaxLifetime, "group_ttl": c.GroupTTL,
	} {
		if d < 0 {
			add(key, "%v is negative", d)
		}
	}
	return errors.Join(errs...)
}

type adder func(key, format string, args ...any)

func (c Config) validateServers(add adder) {
	if len(c.URLs) == 0 {
		add("urls", "no server is named: set something like [\"ldaps://dc1.corp.example\"]")
	}
	for _, url := range c.URLs {
		a, err := parseAddress(url)
		switch {
		case err != nil:
			add("urls", "%w", err)
		case a.scheme == "ldap" && !a.isSRV() && !c.StartTLS && !c.InsecurePlaintext:
			add("urls", "%s would send passwords in the clear: use ldaps://, or set start_tls = true", url)
		case a.scheme == "ldaps" && c.StartTLS:
			add("start_tls", "%s is encrypted from the start: use ldap:// or leave start_tls out", url)
		}
	}
	if c.StartTLS && c.InsecurePlaintext {
		add("insecure_plaintext", "it contradicts start_tls: leave one of them out")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		add("cert_file", "a client certificate takes cert_file and key_file: set both")
	}
}

func (c Config) validateAccount(add adder) {
	hasPassword := c.BindPassword != nil
	switch {
	case c.SASLExternal && (c.BindDN != "" || hasPassword):
		add("sasl_external", "it stands for the service account: leave bind_dn and its password out")
	case c.BindDN != "" && !hasPassword:
		add("bind_dn", "the account has no password: set one of bind_password_file, bind_password_credential and bind_password_env")
	case c.BindDN == "" && hasPassword:
		add("bind_dn", "there is a password but no bind_dn for it: set the name of the service account")
	}
	if c.SASLExternal && c.CertFile == "" {
		for _, url := range c.URLs {
			if !strings.HasPrefix(url, "ldapi://") {
				add("sasl_external", "over %s it takes a client certificate: set cert_file and key_file", url)
			}
		}
	}
	if c.BindTemplate != "" && strings.Count(c.BindTemplate, "{user}") != 1 {
		add("bind_template", "%q: want {user} in it once, as in \"uid={user},ou=people,dc=corp,dc=example\" or \"{user}@corp.example\"", c.BindTemplate)
	}
}

func (c Config) validateUsers(add adder) {
	if len(c.UserBases) == 0 {
		add("user_bases", "it is not set: name the place where users are, such as [\"dc=corp,dc=example\"]")
	}
	for _, base := range c.UserBases {
		checkBase(add, "user_bases", base)
	}
	if c.UserScope != "sub" && c.UserScope != "one" {
		add("user_scope", "%q: want \"sub\" or \"one\"", c.UserScope)
	}
	if _, err := parseUserFilter(c.UserFilter); err != nil {
		add("user_filter", "%w", err)
	}
	checkAttribute(add, "user_name_attr", c.UserNameAttr)
}

func (c Config) validateGroups(add adder) {
	switch c.GroupMode {
	case groupsNone, groupsMemberOf, groupsSearch, groupsTokens, groupsInChain:
	default:
		add("group_mode", "%q: want none, memberof, search, token_groups or in_chain", c.GroupMode)
	}
	switch c.PrimaryGroup {
	case primaryNone, primarySID, primaryGID:
	default:
		add("primary_group", "%q: want none, sid or gid", c.PrimaryGroup)
	}
	for _, base := range c.GroupBases {
		checkBase(add, "group_bases", base)
	}
	checkFilter(add, "group_filter", c.GroupFilter)
	checkAttribute(add, "group_name_attr", c.GroupNameAttr)
	for _, attr := range c.GroupMemberAttrs {
		checkAttribute(add, "group_member_attrs", attr)
	}
	if len(c.FilterGroups) > maxFilterGroups {
		add("filter_group", "there are %d: each costs a question for every user; at most %d", len(c.FilterGroups), maxFilterGroups)
	}
	for _, g := range c.FilterGroups {
		if strings.TrimSpace(g.Name) == "" || looksLikeDN(g.Name) {
			add("filter_group", "%q cannot be the name of a group", g.Name)
		}
		checkFilter(add, "filter_group", g.Filter)
	}
}

// maxFilterGroups bounds the questions about one user.
const maxFilterGroups = 32

func checkBase(add adder, key, base string) {
	if dn, err := parseDN(base); err != nil || len(dn) == 0 {
		add(key, "%q is no name of an entry: want something like \"ou=people,dc=corp,dc=example\"", base)
	}
}

func checkFilter(add adder, key, filter string) {
	if _, err := ldap.CompileFilter(filter); err != nil {
		add(key, "%q is no LDAP filter (%w): want something like \"(objectClass=person)\"", filter, err)
	}
}

func checkAttribute(add adder, key, attribute string) {
	if !attributePattern.MatchString(attribute) {
		add(key, "%q is no name of an attribute", attribute)
	}
}
