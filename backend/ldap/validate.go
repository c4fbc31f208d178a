package ldap

import (
	"errors"
	"fmt"
	"gatehouse/backend/fault"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// validate returns everything that is wrong with a complete c, each with what
// to do about it. Every error begins with the key that it is about, which is
// its path too.
func (c Config) validate() error {
	var errs []error
	add := func(key, format string, args ...any) {
		errs = append(errs, ofKey(key, fmt.Errorf(format, args...)))
	}
	if _, ok := presets()[c.Preset]; !ok && c.Preset != "" {
		add("preset", "there is no preset %q: want activedirectory, openldap, rfc2307, freeipa or 389ds", c.Preset)
	}
	c.validateServers(add)
	c.validateAccount(add)
	c.validateUsers(add)
	c.checkForest(add)
	c.validateGroups(add)
	switch {
	case c.DirectGroups && c.GroupDepth != 0:
		add("group_depth", "with group_nesting = false groups in groups do not count: leave group_depth out, or group_nesting")
	case c.DirectGroups && (c.GroupMode == groupsTokens || c.GroupMode == groupsInChain):
		add("group_nesting", "with group_mode = %q the directory itself counts groups in groups: set group_mode to memberof or search to have the direct ones alone", c.GroupMode)
	case c.GroupDepth < 0 || c.GroupDepth > 100:
		add("group_depth", "%d is not within 1 and 100", c.GroupDepth)
	}
	if c.MaxConnections < 1 || c.MaxConnections > 1000 {
		add("max_connections", "%d is not within 1 and 1000", c.MaxConnections)
	}
	for key, d := range map[string]time.Duration{
		"login_timeout": c.LoginTimeout, "connect_timeout": c.ConnectTimeout, "operation_timeout": c.OperationTimeout,
		"idle_timeout": c.IdleTimeout, "max_lifetime": c.MaxLifetime, "group_ttl": c.GroupTTL, "warn_password_expiry": c.WarnPasswordExpiry,
	} {
		if d < 0 {
			add(key, "%v is negative", d)
		}
	}
	return errors.Join(errs...)
}

// ofKey returns err, whose text begins with the key that it is about, and whose path is
// that key; see [fault.Path].
func ofKey(key string, err error) error {
	return fault.At(fmt.Errorf("%s: %w", key, err), key)
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
	if hasPassword {
		// One that cannot be read, or is empty, is an outage: it may come later.
		if text, err := c.BindPassword(); err == nil && text != "" {
			if _, err := parsePasswords(text); err != nil {
				add("bind_password_file", "%w", err)
			}
		}
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
	switch {
	case c.Dereference != derefNever && c.Dereference != derefAlways:
		add("dereference", "%q: want \"never\" or \"always\"", c.Dereference)
	case c.followsAliases() && c.Preset == "activedirectory":
		add("dereference", "Active Directory has no aliases: leave it out")
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
	switch {
	case c.MemberOfAttr == "":
	case c.GroupMode != groupsMemberOf && !c.asksForMembers():
		add("member_of_attr", "it is not read with group_mode = %q: set group_mode = \"memberof\" or leave it out", c.GroupMode)
	default:
		checkAttribute(add, "member_of_attr", c.MemberOfAttr)
	}
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
	if _, err := parseBase(base); err != nil {
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
