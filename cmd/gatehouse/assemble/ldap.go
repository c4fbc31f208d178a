package assemble

import (
	"gatehouse/backend"
	"gatehouse/backend/ldap"
	"gatehouse/cmd/gatehouse/config"
)

// ldapKeys are the keys of a [[backend]] of type ldap.
type ldapKeys struct {
	Preset            string       `toml:"preset" oneof:"activedirectory openldap rfc2307 freeipa 389ds"` // kind of directory, which sets what is not set here
	URLs              []config.URL `toml:"urls"`                                                          // servers, as ldaps://HOST, ldap://HOST, ldapi://PATH or srv:NAME; each address of a name is one
	Spread            bool         `toml:"spread"`                                                        // ask the servers in turn, not the first that answers
	StartTLS          bool         `toml:"start_tls"`                                                     // encrypt connections to ldap:// addresses with StartTLS
	InsecurePlaintext bool         `toml:"insecure_plaintext"`                                            // send passwords over ldap:// in the clear
	CAFile            string       `toml:"ca_file"`                                                       // authorities to trust, in PEM, in place of the system's; read again when it changes
	ServerName        string       `toml:"server_name"`                                                   // name to verify in the certificate, where it is not the one in urls
	CertFile          string       `toml:"cert_file"`                                                     // client certificate, in PEM, if the servers want one
	KeyFile           config.Lead  `toml:"key_file"`                                                      // its private key, in PEM

	BindDN                 string      `toml:"bind_dn" free:"true"`       // account that looks users up; without one searches are anonymous
	BindPasswordFile       config.Lead `toml:"bind_password_file"`        // file with its password, or while that is changed with the old and the new one in a line each; read again when it is needed; not readable by everybody
	BindPasswordCredential config.Lead `toml:"bind_password_credential"`  // systemd credential with its password
	BindPasswordEnv        config.Lead `toml:"bind_password_env"`         // variable of the environment with its password
	SASLExternal           bool        `toml:"sasl_external"`             // the client certificate, or the user of the socket, is the account
	BindTemplate           string      `toml:"bind_template" free:"true"` // name to log in as, with {user} in it, where no account looks users up

	Domains      []string `toml:"domains"`                          // domains that may stand in user@domain and DOMAIN\user; not set: with the preset activedirectory those of user_bases, as the forest calls them (CORP, corp.example), and the suffixes of principal names
	UserBases    []string `toml:"user_bases"`                       // entries below which users are; [""]: all of a forest of Active Directory, with a global catalog (port 3269) in urls
	UserScope    string   `toml:"user_scope" oneof:"sub one"`       // how far below the bases users are: anywhere or directly
	UserFilter   string   `toml:"user_filter" free:"true"`          // filter by which a user is found, with {user} (as typed) or {account} (without a domain)
	UserNameAttr string   `toml:"user_name_attr"`                   // attribute with the name that rules and logs use
	Dereference  string   `toml:"dereference" oneof:"never always"` // whether searches find what aliases stand for

	GroupMode        string            `toml:"group_mode" oneof:"none memberof search token_groups in_chain"` // how the groups of a user are found
	GroupBases       []string          `toml:"group_bases"`                                                   // entries below which groups are; not set: user_bases
	GroupFilter      string            `toml:"group_filter" free:"true"`                                      // filter that groups match
	GroupNameAttr    string            `toml:"group_name_attr"`                                               // attribute with the name that rules use, besides the DN; "dn" for that alone
	GroupMemberAttrs []string          `toml:"group_member_attrs"`                                            // attributes of a group that name its members
	MemberOfAttr     string            `toml:"member_of_attr"`                                                // attribute of users and groups that names their groups; not read with group_mode = "token_groups"; some directories call it isMemberOf
	GroupNesting     *bool             `toml:"group_nesting"`                                                 // whether the groups count that the groups of a user are in; not set: true
	GroupDepth       int               `toml:"group_depth" min:"1" max:"100"`                                 // how deep groups in groups are followed; deeper groups of a user are unknown, and a rule that needs one of them is answered with 503
	PrimaryGroup     string            `toml:"primary_group" oneof:"none sid gid"`                            // how the primary group of a user is found
	FilterGroups     []filterGroupKeys `toml:"filter_group"`                                                  // groups that are made of a filter: whoever matches is a member

	RefuseGraceLogins bool `toml:"refuse_grace_logins"` // refuse logins that the directory allows after the password has expired, which it does a few times

	WarnPasswordExpiry config.Duration `toml:"warn_password_expiry" min:"1m" max:"365d"` // how long before the password of a user expires the audit log, the log and the metrics say so; not set: never

	LoginTimeout     config.Duration `toml:"login_timeout" min:"100ms" max:"10m"`     // for a whole login
	ConnectTimeout   config.Duration `toml:"connect_timeout" min:"100ms" max:"10m"`   // to connect to a server and log in to it
	OperationTimeout config.Duration `toml:"operation_timeout" min:"100ms" max:"10m"` // for one question
	MaxConnections   int             `toml:"max_connections" min:"1" max:"1000"`      // connections to one server for searches, and as many for logins
	IdleTimeout      config.Duration `toml:"idle_timeout" min:"1s" max:"24h"`         // how long an unused connection is kept
	MaxLifetime      config.Duration `toml:"max_lifetime" min:"1s" max:"24h"`         // how long a connection is kept at most
	GroupTTL         config.Duration `toml:"group_ttl" min:"1s" max:"24h"`            // how long it is remembered which groups a group is in

	shieldKeys
}

// filterGroupKeys is one [[backend.filter_group]].
type filterGroupKeys struct {
	Name   string `toml:"name"`               // what rules call the group
	Filter string `toml:"filter" free:"true"` // filter that its members match
}

func openLDAP(k ldapKeys, t backendTable) (backend.Backend, error) {
	b, err := ldap.New(k.config(t))
	if err == nil {
		return b, nil
	}
	t.reportAll(err)
	return nil, nil
}

// config returns what a backend is made from.
func (k ldapKeys) config(t backendTable) ldap.Config {
	c := ldap.Config{
		Preset: k.Preset, URLs: config.Revealed(k.URLs), Spread: k.Spread, StartTLS: k.StartTLS, InsecurePlaintext: k.InsecurePlaintext,
		CAFile: t.file(k.CAFile, "ca_file"), ServerName: k.ServerName,
		CertFile: t.file(k.CertFile, "cert_file"), KeyFile: t.file(k.KeyFile.Reveal(), "key_file"),
		BindDN: k.BindDN, BindPassword: k.bindPassword(t), SASLExternal: k.SASLExternal, BindTemplate: k.BindTemplate,
		Domains: k.Domains, UserBases: k.UserBases, UserScope: k.UserScope, UserFilter: k.UserFilter, UserNameAttr: k.UserNameAttr, Dereference: k.Dereference,
		GroupMode: k.GroupMode, GroupBases: k.GroupBases, GroupFilter: k.GroupFilter, GroupNameAttr: k.GroupNameAttr,
		GroupMemberAttrs: k.GroupMemberAttrs, MemberOfAttr: k.MemberOfAttr, GroupDepth: k.GroupDepth, DirectGroups: k.GroupNesting != nil && !*k.GroupNesting, PrimaryGroup: k.PrimaryGroup,
		LoginTimeout: k.LoginTimeout.Duration, ConnectTimeout: k.ConnectTimeout.Duration, OperationTimeout: k.OperationTimeout.Duration,
		MaxConnections: k.MaxConnections, IdleTimeout: k.IdleTimeout.Duration, MaxLifetime: k.MaxLifetime.Duration,
		RefuseGraceLogins: k.RefuseGraceLogins, WarnPasswordExpiry: k.WarnPasswordExpiry.Duration,
		GroupTTL: k.GroupTTL.Duration, Log: t.log, Observe: t.observe,
	}
	for _, g := range k.FilterGroups {
		c.FilterGroups = append(c.FilterGroups, struct{ Name, Filter string }(g))
	}
	return c
}

// bindPassword returns what reads the password of the service account, each time
// that it is needed, so that a changed one counts at once; nil for none.
func (k ldapKeys) bindPassword(t backendTable) func() (string, error) {
	source := config.SecretSource{
		Name:       "bind_password",
		File:       config.Lead(t.file(k.BindPasswordFile.Reveal(), "bind_password_file")),
		Credential: k.BindPasswordCredential,
		Variable:   k.BindPasswordEnv,
	}
	if !source.IsSet() {
		return nil
	}
	read := func() (string, error) {
		password, err := source.Read()
		return password.Reveal(), err
	}
	if _, err := read(); err != nil {
		t.add(err, "bind_dn")
	}
	return read
}
