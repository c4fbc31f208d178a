// Package config reads the configuration as an administrator writes it: a file in TOML,
// with variables of the environment and flags laid over it.
//
// A [Document] is what was read. It knows where each value stands, and which of them may
// not be shown. What it may say is declared by the structs of this package, and for a
// [[backend]] by [Kinds], which the caller gives: the package knows no kind of backend,
// and nothing of what is made of a document.
//
// All that is wrong is collected in a [Report], and every problem has its [Place].
package config

// Document is the configuration as an administrator writes it. The keys of
// Settings can also be set by the environment and by flags; see overlays.
//
// The tags say what the values may be: min and max bound durations and numbers,
// oneof lists words.
type Document struct {
	Settings

	Backends []Backend `toml:"backend"` // what checks passwords; which keys one may have depends on its type
	Routes   []Route   `toml:"route"`   // the services behind the gateway
	Tests    []Test    `toml:"test"`    // requests with the answer that the rules must give; if the answer is another one, the configuration is refused

	// Origin tells where the values stand.
	Origin Origin

	// Report has what was found wrong in reading. It is not complete: what only shows in
	// the use of a document is for its user to find.
	Report Report

	kinds Kinds // by which it was read
}

// Settings are the keys that exist once.
type Settings struct {
	Listen            []string `toml:"listen"`                                      // addresses to accept clients on, as ":PORT" or "IP:PORT"
	InsecurePlaintext bool     `toml:"insecure_plaintext"`                          // serve plain HTTP on other addresses than loopback; set it if a proxy in front terminates TLS
	Drain             Duration `toml:"drain" min:"1s" max:"24h"`                    // how long running requests may go on after the program has been told to end
	AccessLog         string   `toml:"access_log" oneof:"json common combined off"` // form of the access log on standard output
	AuditLog          string   `toml:"audit_log"`                                   // file for a line of JSON on every decision, or "stdout"; opened anew at SIGHUP; not set: none
	AuditRequired     bool     `toml:"audit_required"`                              // deny requests while audit_log does not take records
	LogLevel          string   `toml:"log_level" oneof:"debug info warn error"`     // least level that is logged on standard error
	TLS               TLS      `toml:"tls"`                                         // the certificate that clients see; with this table every address speaks TLS
	Cache             Cache    `toml:"cache"`                                       // how long the answers of each backend that a route names are remembered
	Flood             Flood    `toml:"flood"`                                       // how failed logins are rate-limited, at each backend that a route names by itself; cached logins are unaffected
	Tokens            Tokens   `toml:"tokens"`                                      // tokens that clients send in place of passwords; without this table there are none
	Refusals          Refusals `toml:"refusals"`                                    // how long the refusal of a wrong login takes; the time then does not tell which users exist
	Timeouts          Timeouts `toml:"timeouts"`                                    // how long a client, an upstream or a backend may be silent; the total time of a request is not limited while data moves
	Limits            Limits   `toml:"limits"`                                      // how much clients can use, so that no client can block the others
	TrustedProxies    []string `toml:"trusted_proxies"`                             // addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; the last address there that is not one of them is the client
	ProxyProtocol     bool     `toml:"proxy_protocol"`                              // every connection of a trusted proxy must begin with a PROXY header, of version 1 or 2; from other clients none is read
	Health            Health   `toml:"health"`                                      // how load balancers see at the service port whether the gateway serves
	Admin             Admin    `toml:"admin"`                                       // where those who run the gateway can ask it; without listen and socket it can be asked nowhere
}

// TLS is [tls]: with it every listener speaks TLS.
type TLS struct {
	CertFile string `toml:"cert_file"` // the certificate and those that signed it, in PEM; read again when it changes
	KeyFile  Lead   `toml:"key_file"`  // its private key, in PEM; not readable by everybody
}

// Cache is [cache], which holds for the cache of every backend that a route names.
type Cache struct {
	Size        int      `toml:"size" min:"1" max:"10000000"`    // answers of each kind (good, bad, groups) that are kept
	TTL         Duration `toml:"ttl" min:"1s" max:"24h"`         // how long a good login counts
	GroupsTTL   Duration `toml:"groups_ttl" min:"1s" max:"24h"`  // how long the groups of a user count, at most as long as the login; default: ttl
	NegativeTTL Duration `toml:"negative_ttl" min:"1s" max:"1h"` // how long a bad login counts
	Revalidate  Duration `toml:"revalidate" min:"0s" max:"24h"`  // how long a good login counts before a directory is asked without a password whether the user is still there, enabled and in the same groups; 0s: never
	Stale       Duration `toml:"stale" min:"0s" max:"24h"`       // how long after their ttl a good login and its groups go on while the backend is unavailable; 0s: not at all
}

// Flood is [flood], which holds for the flood control of every backend that a route
// names.
type Flood struct {
	Enabled         bool `toml:"enabled"`                                 // whether failed logins are limited at all
	SourcePerMinute int  `toml:"source_per_minute" min:"1" max:"1000000"` // logins from one address, or one network (/64) of IPv6, that may fail each minute
	SourceBurst     int  `toml:"source_burst" min:"1" max:"1000000"`      // how many of these may fail, or be pending, at once
	TotalPerSecond  int  `toml:"total_per_second" min:"1" max:"1000000"`  // logins from all addresses together that may fail each second; users whose login was right in the last hours go first
	TotalBurst      int  `toml:"total_burst" min:"1" max:"1000000"`       // how many of these may fail, or be pending, at once
}

// Tokens is [tokens].
type Tokens struct {
	KeyFile       Lead     `toml:"key_file"`                          // file with a line KID:BASE64 for each key, as gatehouse token key prints them: the first seals tokens, all open them; read again when it changes; without any key there is a random one, and tokens end with the process
	KeyCredential Lead     `toml:"key_credential"`                    // systemd credential with such lines
	KeyEnv        Lead     `toml:"key_env"`                           // variable of the environment with such lines
	StateFile     string   `toml:"state_file" written:"true"`         // file in which the gateway keeps what gatehouse revoke has ended; not set: that ends with the process
	TTL           Duration `toml:"ttl" min:"5m" max:"24h"`            // how long a token is good; some clients use one for five minutes whatever they are told
	UploadGrace   Duration `toml:"upload_grace" min:"0s" max:"168h"`  // how long after that it may finish an upload that has begun; 0s: not at all
	IdentityTTL   Duration `toml:"identity_ttl" min:"0s" max:"8760h"` // how long docker login is good, which then keeps a token and no password, such as 720h; 0s: it keeps the password; needs state_file

	StoreFile     string   `toml:"store_file" written:"true"`           // file in which the gateway keeps the tokens that people and robots have in place of passwords; a change needs a restart; not set: there are none
	MaxTTL        Duration `toml:"max_ttl" min:"1h" max:"26280h"`       // longest time for which the token of a person is good
	RobotMaxTTL   Duration `toml:"robot_max_ttl" min:"1h" max:"26280h"` // longest time for which the token of a robot is good
	PerUser       int      `toml:"per_user" min:"1" max:"1000"`         // tokens of each kind that one owner can have at once
	SelfService   string   `toml:"self_service"`                        // path of the page on which people make tokens of their own, such as "/-/tokens"; needs store_file; not set: none
	DiesWith      []string `toml:"dies_with"`                           // states of the owner's account in which a token is refused: "gone", "disabled", "expired", "locked" by wrong passwords, "password_expired" or "must_change"
	AllowDNAnchor bool     `toml:"allow_dn_anchor"`                     // let accounts have tokens of which the directory shows nothing but the name: who gets the name of somebody who has left gets that one's tokens, too
}

// Refusals is [refusals], which holds for every backend that a route names.
type Refusals struct {
	Floor   Duration `toml:"floor" min:"0s" max:"5s"`    // least time of a refusal, also of a remembered one; 0s: no least time
	Ceiling Duration `toml:"ceiling" min:"1ms" max:"5s"` // how far the floor rises by itself if a backend takes longer
}

// Timeouts is [timeouts]; gateway.Timeouts says what each is about. Login
// bounds one question to a backend.
type Timeouts struct {
	Handshake      Duration `toml:"handshake" min:"100ms" max:"10m"`       // time for a client to finish the TLS handshake
	Header         Duration `toml:"header" min:"100ms" max:"10m"`          // time for a client to send the head of a request
	Idle           Duration `toml:"idle" min:"100ms" max:"24h"`            // time that a connection may be unused between two requests
	BodyIdle       Duration `toml:"body_idle" min:"100ms" max:"24h"`       // time that a body may make no progress, in either direction
	Connect        Duration `toml:"connect" min:"100ms" max:"10m"`         // time to connect to an upstream
	Response       Duration `toml:"response" min:"100ms" max:"24h"`        // time until an upstream begins to answer
	UploadResponse Duration `toml:"upload_response" min:"100ms" max:"24h"` // the same for POST, PUT and PATCH: a registry may hash a whole layer first
	Login          Duration `toml:"login" min:"100ms" max:"10m"`           // time for a backend to check a password
}

// Limits is [limits]; gateway.Limits says what each is about.
type Limits struct {
	Connections         int      `toml:"connections" min:"1" max:"1000000"`          // connections of clients in all, at most what memory and file descriptors allow; if there are more, docs/limits.md says which are closed
	PerAddress          int      `toml:"per_address" min:"1" max:"1000000"`          // connections from one address, or one network (/64) of IPv6; more are closed at once; this machine and trusted_proxies may have any number
	Handshakes          int      `toml:"handshakes" min:"1" max:"1000000"`           // TLS handshakes in progress; if there are more, the oldest are ended
	Streams             int      `toml:"streams" min:"1" max:"10000"`                // requests in progress on one HTTP/2 connection
	UpstreamConnections int      `toml:"upstream_connections" min:"1" max:"1000000"` // connections to upstreams that are in use, at most what memory and file descriptors allow; with several upstreams, three quarters of these for each; if all are in use, a request waits for a moment and then gets 503 with Retry-After
	UpstreamPerClient   int      `toml:"upstream_per_client" min:"1" max:"1000000"`  // of these, for one user, or one address where no user is known; at most half of them
	UpstreamQueue       int      `toml:"upstream_queue" min:"1" max:"1000000"`       // requests that wait for one; those of the client with fewest in use go first
	HeadBytes           int      `toml:"head_bytes" min:"8192" max:"1048576"`        // size of the head of a request
	HeadFields          int      `toml:"head_fields" min:"20" max:"10000"`           // header fields of a request
	BodyRate            int      `toml:"body_rate" min:"1" max:"1000000000"`         // bytes a second of a body that a client must send or take, on average over body_window; time that the upstream needs does not count
	BodyWindow          Duration `toml:"body_window" min:"1s" max:"1h"`              // time that a client may be behind body_rate
}

// Health is [health].
type Health struct {
	Path string `toml:"path"` // path for health checks of load balancers, at any host and without a login; GET and HEAD get 200, or 503 while the gateway ends; not set: none
}

// Admin is [admin].
type Admin struct {
	Listen         string   `toml:"listen"`          // address to read metrics, health and status at, over plain HTTP without a password, as "IP:PORT"; empty: none
	InsecureRemote bool     `toml:"insecure_remote"` // let listen be an address that others than this machine can reach
	Hosts          []string `toml:"hosts"`           // names by which listen may be asked, besides localhost and its own address
	Socket         string   `toml:"socket"`          // Unix socket, for owner and group, for commands that change something or show names; empty: none
	PProf          bool     `toml:"pprof"`           // serve profiles of the program, on the socket and on loopback
	ShowUsers      bool     `toml:"show_users"`      // name users on the status page
}

// IsSet reports whether the gateway is to be asked anywhere.
func (c Admin) IsSet() bool { return c.Listen != "" || c.Socket != "" }

// Backend is one [[backend]]: its name, its type and the keys of that type.
type Backend map[string]any

// Name is what routes, rules and logs call the backend.
func (b Backend) Name() string { s, _ := b["name"].(string); return s }

// Type names the kind of backend.
func (b Backend) Type() string { s, _ := b["type"].(string); return s }

// Route is one [[route]].
type Route struct {
	Host     string   `toml:"host"`     // host name that the route answers to; not set: any
	Hosts    []string `toml:"hosts"`    // several of them, in place of host; "*.apps.example" stands for every name of one label more
	Path     string   `toml:"path"`     // prefix of the paths that the route takes, in whole segments
	Registry any      `toml:"registry"` // path that all requests to the registry begin with, which ends in "v2/", or false for none; not set: "/v2/" where the route takes any of that
	Backend  string   `toml:"backend"`  // name of the backend that checks the passwords

	Challenge string `toml:"challenge" oneof:"basic bearer"` // what clients without credentials are asked for: a password ("basic"), or a token ("bearer"), with which docker can pull without a login and push with one; both are taken in either case
	TokenURL  URL    `toml:"token_url"`                      // where clients fetch tokens; not set: at the host, the port and the scheme by which they came

	Realm string `toml:"realm" free:"true"` // what clients show when they ask for a password

	ForwardAuthorization bool     `toml:"forward_authorization"`                     // pass the client's own user name and password on to the upstream
	UserHeader           string   `toml:"user_header"`                               // header that tells the upstream the name of the user; not set: none
	GroupsHeader         string   `toml:"groups_header"`                             // header that tells the upstream the groups of the user; not set: none
	GroupsHeaderForm     string   `toml:"groups_header_form" oneof:"short dn named"` // what groups_header has: "short" names, "dn" for distinguished names (attribute=…), or those that rules of the route name ("named"), as they are named there
	GroupsHeaderBytes    int      `toml:"groups_header_bytes" min:"1" max:"65536"`   // most bytes of the value of groups_header; servers take lines of 8 KiB or so
	GroupsHeaderOver     string   `toml:"groups_header_over" oneof:"refuse omit"`    // what happens to a request whose groups do not fit: it is refused, or passed on without the header ("omit"); the list is never shortened
	RemoveHeaders        []string `toml:"remove_headers"`                            // headers of requests that the upstream does not get, besides those that tell it who somebody is or where a request comes from; one * begins or ends a name
	KeepHeaders          []string `toml:"keep_headers"`                              // headers that would be removed, and that the upstream gets all the same, each by its exact name
	ResponseHeaders      []string `toml:"response_headers" free:"true"`              // headers that every answer on the route has, as "NAME: VALUE"; they replace those of the upstream, and none that the gateway manages
	CORSOrigins          []string `toml:"cors_origins"`                              // origins of pages, as "https://HOST", whose scripts may read every answer on the route and send it requests, with the logins of those who look at them; not set: the upstream decides

	Catalog string `toml:"catalog" oneof:"filtered all"` // which repositories the list of a registry shows, to whom the rules let see it: those that the user may pull ("filtered") or every one ("all"); not set: filtered where a rule for pull is about some repositories and not about others

	CatalogTTL Duration `toml:"catalog_ttl" min:"1s" max:"1h"` // how long the registry's own list is kept, for all users, where what they see of it is filtered; not set: it is asked for each time

	ImmutableTags []string `toml:"immutable_tags"` // patterns of tags that can neither be deleted nor be made to lead to another image: * stands for any characters, and a pattern behind ! takes tags out again; the last that matches counts; in a rule: in place of those of the route

	Upstream                   URL      `toml:"upstream"`                                    // where allowed requests go: "http://HOST:PORT", "https://HOST:PORT" or "unix:/PATH"; behind the port there may be a path, to which the path of a request is appended, for a registry from its v2 segment on
	UpstreamCAFile             string   `toml:"upstream_ca_file"`                            // authorities to trust for https, in PEM, in place of the system's
	UpstreamServerName         string   `toml:"upstream_server_name"`                        // name to verify for https, where it is not the one in upstream
	UpstreamCertFile           string   `toml:"upstream_cert_file"`                          // client certificate for https, in PEM
	UpstreamKeyFile            Lead     `toml:"upstream_key_file"`                           // its private key, in PEM
	UpstreamUser               string   `toml:"upstream_user"`                               // user name for the upstream, in place of the client's
	UpstreamPasswordFile       Lead     `toml:"upstream_password_file"`                      // file with its password; not readable by everybody
	UpstreamPasswordCredential Lead     `toml:"upstream_password_credential"`                // systemd credential with its password
	UpstreamPasswordEnv        Lead     `toml:"upstream_password_env"`                       // variable of the environment with its password
	UpstreamTokenKeyFile       Lead     `toml:"upstream_token_key_file"`                     // file with a private key and its certificate, in PEM, with which the gateway signs a token for each request, for a registry with "auth: token"; not readable by everybody
	UpstreamTokenKeyCredential Lead     `toml:"upstream_token_key_credential"`               // systemd credential with these
	UpstreamTokenKeyEnv        Lead     `toml:"upstream_token_key_env"`                      // variable of the environment with these
	UpstreamTokenIssuer        string   `toml:"upstream_token_issuer"`                       // who signs these tokens, as the registry has it under issuer
	UpstreamTokenService       string   `toml:"upstream_token_service"`                      // whom they are for, as the registry has it under service
	UpstreamIdleTimeout        Duration `toml:"upstream_idle_timeout" min:"100ms" max:"24h"` // how long an unused connection is kept; must be shorter than the upstream keeps it

	Timeouts RouteTimeouts `toml:"timeouts"` // timeouts of this route, in place of those in [timeouts]; not set: as there

	Rules []Rule `toml:"rule"` // who may do what on the route; the first whose methods and paths match decides alone
}

// Names returns the names that the route answers to, nil for any.
func (r Route) Names() []string {
	if r.Host != "" {
		return []string{r.Host}
	}
	return r.Hosts
}

// RouteTimeouts is [route.timeouts].
type RouteTimeouts struct {
	Connect        Duration `toml:"connect" min:"100ms" max:"10m"`         // time to connect to the upstream
	Response       Duration `toml:"response" min:"100ms" max:"24h"`        // time until it begins to answer
	UploadResponse Duration `toml:"upload_response" min:"100ms" max:"24h"` // the same for POST, PUT and PATCH
}

// Rule is one [[route.rule]].
type Rule struct {
	Name    string   `toml:"name" free:"true"` // what logs and refusals call the rule
	Methods []string `toml:"methods"`          // methods that the rule is about; not set: all; GET covers HEAD
	Paths   []string `toml:"paths"`            // patterns of paths that the rule is about; not set: all; * is one segment, ** any number

	Repositories []string `toml:"repositories"` // patterns of repositories that the rule is about, in place of paths; not set: all; * is one segment, ** any number, {user} the name of the user, {group} that of any group of the user
	Actions      []string `toml:"actions"`      // what the rule is about, in place of methods: "pull", "push", "delete", "catalog" or "extension"; not set, with repositories: pull, push and delete

	ImmutableTags []string `toml:"immutable_tags"` // tags that are immutable where the rule decides; not set: those of the route

	Require []any `toml:"require"` // who may: a list of which one item is enough; docs/rules.md has all items
}

// Test is one [[test]]: a question about the rules, and its answer.
type Test struct {
	User    string   `toml:"user" free:"true"`                    // who sends the request, as typed into a login, or BACKEND:NAME; not set: somebody who has not logged in
	Groups  []string `toml:"groups" free:"true"`                  // groups of the user; not set: none
	Backend string   `toml:"backend"`                             // backend that vouches for the user, where there are several
	Via     string   `toml:"via" oneof:"password token identity"` // how the user logs in; not set: with a password
	From    string   `toml:"from"`                                // address of the client
	Host    string   `toml:"host"`                                // host that the request names; not set: the one of the route
	Request string   `toml:"request" free:"true"`                 // "METHOD PATH", or login, catalog, or pull, push, delete or tags with a repository
	Expect  string   `toml:"expect" oneof:"allow deny login"`     // what becomes of it; login: the answer is 401
	Rule    string   `toml:"rule" free:"true"`                    // rule that decides; not set: any
}
