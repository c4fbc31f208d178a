package ldap

import (
	"cmp"
	"log/slog"
	"net"
	"time"

	"gatehouse/backend"
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

	// BindDN is the service account, and BindPassword returns its password, or
	// two of them in a line each, each time that it is needed. SASLExternal has the client certificate, or
	// the owner of the process on a local socket, be the account instead.
	// Without an account searches are anonymous.
	BindDN       string
	BindPassword func() (string, error)
	SASLExternal bool

	// BindTemplate makes the name to bind as from what was typed, where users
	// are not searched for first.
	BindTemplate string

	// Domains are those that may stand beside the name of a user, as in
	// DOMAIN\user and user@domain, and mean nothing. With the preset activedirectory
	// they are by default those that the forest has for UserBases.
	Domains []string

	// UserBases, UserScope and UserFilter find the entry of a user, and
	// UserNameAttr is the attribute that holds the name.
	UserBases    []string
	UserScope    string
	UserFilter   string
	UserNameAttr string

	// Dereference is "always" to follow aliases, in each search, and "never" or empty
	// not to.
	Dereference string

	// GroupMode says how the groups of a user are found, the fields after it
	// where they are and what they are called.
	GroupMode        string
	GroupBases       []string
	GroupFilter      string
	GroupNameAttr    string
	GroupMemberAttrs []string
	MemberOfAttr     string // of a user and of a group, with the DNs of its groups; default memberOf
	GroupDepth       int
	DirectGroups     bool // groups in groups do not count
	PrimaryGroup     string

	// FilterGroups are groups of those users whose entries match a filter.
	FilterGroups []struct{ Name, Filter string }

	// RefuseGraceLogins refuses a login that the directory allows after the password
	// has expired, which it does a few times.
	RefuseGraceLogins bool

	// WarnPasswordExpiry is how long before its end a password expires soon. 0 never.
	WarnPasswordExpiry time.Duration

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

	// Observe is called with each thing done with a server, by whoever does it,
	// and so must be quick. Default: nothing.
	Observe func(backend.Operation)

	names names // in place of the system's, in tests

	// Other ones in tests: what finding a dead connection may cost a login, and how much
	// sooner than the next one a server is tried that has the first place.
	aliveTimeout, headStart time.Duration

	learnDomains bool // Domains are what stands in UserBases, and more is learnt
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

// The ways to treat aliases.
const (
	derefNever  = "never"
	derefAlways = "always"
)

// followsAliases reports whether searches find the entries that aliases stand for.
func (c *Config) followsAliases() bool { return c.Dereference == derefAlways }

// memberOf returns the attribute that names the groups of an entry.
func (c *Config) memberOf() string { return cmp.Or(c.MemberOfAttr, "memberOf") }

// nameIsDN is the GroupNameAttr of groups that have no name but the DN.
const nameIsDN = "dn"

// hasAccount reports whether a service account searches, and not anybody.
func (c *Config) hasAccount() bool { return c.BindDN != "" || c.SASLExternal }

// complete returns c with the preset and the defaults filled in.
func (c Config) complete() Config {
	if p, ok := presets()[c.Preset]; ok {
		c = c.over(p)
	}
	c.UserScope = cmp.Or(c.UserScope, "sub")
	c.UserFilter = cmp.Or(c.UserFilter, "(uid={user})")
	c.UserNameAttr = cmp.Or(c.UserNameAttr, "uid")
	c.Dereference = cmp.Or(c.Dereference, derefNever)
	c.GroupMode = cmp.Or(c.GroupMode, groupsNone)
	c.GroupFilter = cmp.Or(c.GroupFilter, "(objectClass=*)")
	c.GroupNameAttr = cmp.Or(c.GroupNameAttr, "cn")
	if !c.DirectGroups {
		c.GroupDepth = cmp.Or(c.GroupDepth, 10)
	}
	c.PrimaryGroup = cmp.Or(c.PrimaryGroup, primaryNone)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 10*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.OperationTimeout = cmp.Or(c.OperationTimeout, 4*time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, 16)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 4*time.Minute)
	c.MaxLifetime = cmp.Or(c.MaxLifetime, 30*time.Minute)
	c.GroupTTL = cmp.Or(c.GroupTTL, time.Minute)
	c.aliveTimeout = cmp.Or(c.aliveTimeout, time.Second)
	c.headStart = cmp.Or(c.headStart, headStart)
	if len(c.GroupMemberAttrs) == 0 {
		c.GroupMemberAttrs = []string{"member", "uniqueMember"}
	}
	if len(c.GroupBases) == 0 {
		c.GroupBases = c.UserBases
	}
	if c.Preset == "activedirectory" && len(c.Domains) == 0 {
		c.Domains, c.learnDomains = domainsOf(c.UserBases), true
	}
	if c.names.srv == nil {
		c.names.srv = net.DefaultResolver.LookupSRV
	}
	if c.names.hosts == nil {
		c.names.hosts = net.DefaultResolver.LookupNetIP
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
