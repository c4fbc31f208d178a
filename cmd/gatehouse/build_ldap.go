package main

import (
	"regexp"

	"gatehouse/backend"
	"gatehouse/backend/ldap"
)

// ldapKeys are the keys of a [[backend]] of type ldap.
type ldapKeys struct {
	Preset            string   `toml:"preset" oneof:"activedirectory openldap rfc2307 freeipa 389ds"`
	URLs              []string `toml:"urls"`
	Spread            bool     `toml:"spread"`
	StartTLS          bool     `toml:"start_tls"`
	InsecurePlaintext bool     `toml:"insecure_plaintext"`
	CAFile            string   `toml:"ca_file"`
	ServerName        string   `toml:"server_name"`
	CertFile          string   `toml:"cert_file"`
	KeyFile           string   `toml:"key_file"`

	BindDN                 string `toml:"bind_dn"`
	BindPasswordFile       string `toml:"bind_password_file"`
	BindPasswordCredential string `toml:"bind_password_credential"`
	BindPasswordEnv        string `toml:"bind_password_env"`
	SASLExternal           bool   `toml:"sasl_external"`
	BindTemplate           string `toml:"bind_template"`

	Domains      []string `toml:"domains"`
	UserBases    []string `toml:"user_bases"`
	UserScope    string   `toml:"user_scope" oneof:"sub one"`
	UserFilter   string   `toml:"user_filter"`
	UserNameAttr string   `toml:"user_name_attr"`

	GroupMode        string            `toml:"group_mode" oneof:"none memberof search token_groups in_chain"`
	GroupBases       []string          `toml:"group_bases"`
	GroupFilter      string            `toml:"group_filter"`
	GroupNameAttr    string            `toml:"group_name_attr"`
	GroupMemberAttrs []string          `toml:"group_member_attrs"`
	GroupDepth       int               `toml:"group_depth" min:"1" max:"100"`
	PrimaryGroup     string            `toml:"primary_group" oneof:"none sid gid"`
	FilterGroups     []filterGroupKeys `toml:"filter_group"`

	LoginTimeout     Duration `toml:"login_timeout" min:"100ms" max:"10m"`
	ConnectTimeout   Duration `toml:"connect_timeout" min:"100ms" max:"10m"`
	OperationTimeout Duration `toml:"operation_timeout" min:"100ms" max:"10m"`
	MaxConnections   int      `toml:"max_connections" min:"1" max:"1000"`
	IdleTimeout      Duration `toml:"idle_timeout" min:"1s" max:"24h"`
	MaxLifetime      Duration `toml:"max_lifetime" min:"1s" max:"24h"`
	GroupTTL         Duration `toml:"group_ttl" min:"1s" max:"24h"`
}

// filterGroupKeys is one [[backend.filter_group]].
type filterGroupKeys struct {
	Name   string `toml:"name"`
	Filter string `toml:"filter"`
}

func openLDAP(k ldapKeys, t backendTable) (backend.Backend, error) {
	b, err := ldap.New(k.config(t))
	if err == nil {
		return b, nil
	}
	for _, err := range leaves(err) {
		// The errors of this backend begin with the key that they are about.
		key, text := "type", err.Error()
		if m := keyAtHead.FindStringSubmatch(text); m != nil {
			key = m[1]
		}
		t.errorf(key, "%s", text)
	}
	return nil, nil
}

var keyAtHead = regexp.MustCompile(`^([a-z_]+): `)

// config returns what a backend is made from.
func (k ldapKeys) config(t backendTable) ldap.Config {
	c := ldap.Config{
		Preset: k.Preset, URLs: k.URLs, Spread: k.Spread, StartTLS: k.StartTLS, InsecurePlaintext: k.InsecurePlaintext,
		CAFile: t.file(k.CAFile, "ca_file"), ServerName: k.ServerName,
		CertFile: t.file(k.CertFile, "cert_file"), KeyFile: t.file(k.KeyFile, "key_file"),
		BindDN: k.BindDN, BindPassword: k.bindPassword(t), SASLExternal: k.SASLExternal, BindTemplate: k.BindTemplate,
		Domains: k.Domains, UserBases: k.UserBases, UserScope: k.UserScope, UserFilter: k.UserFilter, UserNameAttr: k.UserNameAttr,
		GroupMode: k.GroupMode, GroupBases: k.GroupBases, GroupFilter: k.GroupFilter, GroupNameAttr: k.GroupNameAttr,
		GroupMemberAttrs: k.GroupMemberAttrs, GroupDepth: k.GroupDepth, PrimaryGroup: k.PrimaryGroup,
		LoginTimeout: k.LoginTimeout.Duration, ConnectTimeout: k.ConnectTimeout.Duration, OperationTimeout: k.OperationTimeout.Duration,
		MaxConnections: k.MaxConnections, IdleTimeout: k.IdleTimeout.Duration, MaxLifetime: k.MaxLifetime.Duration,
		GroupTTL: k.GroupTTL.Duration, Log: t.log,
	}
	for _, g := range k.FilterGroups {
		c.FilterGroups = append(c.FilterGroups, struct{ Name, Filter string }(g))
	}
	return c
}

// bindPassword returns what reads the password of the service account, each time
// that it is needed, so that a changed one counts at once; nil for none.
func (k ldapKeys) bindPassword(t backendTable) func() (string, error) {
	source := secretSource{
		Name:       "bind_password",
		File:       t.file(k.BindPasswordFile, "bind_password_file"),
		Credential: k.BindPasswordCredential,
		Variable:   k.BindPasswordEnv,
	}
	if !source.isSet() {
		return nil
	}
	read := func() (string, error) {
		password, err := source.read()
		return password.Reveal(), err
	}
	if _, err := read(); err != nil {
		t.errorf("bind_dn", "%v", err)
	}
	return read
}
