package main_test

import (
	"fmt"
	"slices"
	"strings"
)

// A reason explains why gatehouse does otherwise than Apache in some trials.
type reason struct {
	group   string   // of the trials; empty for all
	what    []string // which of the group; none for all
	who     []string // as whom; none for all
	why     string
	changes []string // "Field: value of Apache -> value of gatehouse", * for any value
}

// explains reports whether change, one of r's, is the difference d.
func (r reason) explains(change string, d difference) bool {
	field, values, _ := strings.Cut(change, ": ")
	apache, gatehouse, _ := strings.Cut(values, " -> ")
	return (r.group == "" || r.group == d.trial.group) &&
		(r.what == nil || slices.Contains(r.what, d.trial.what)) &&
		(r.who == nil || slices.Contains(r.who, d.trial.who)) &&
		field == d.field && (apache == "*" || apache == d.apache) && (gatehouse == "*" || gatehouse == d.gatehouse)
}

func (r reason) String() string {
	text := "always"
	if r.group != "" {
		text = r.group
	}
	if r.what != nil {
		text += fmt.Sprintf(" %q", r.what)
	}
	if r.who != nil {
		text += " as " + strings.Join(r.who, ", ")
	}
	return text + ": " + r.why
}

// Values that stand often in the table.
const (
	challenge = `Basic realm="Registry Authentication", charset="UTF-8"`
	forwarded = "[X-Forwarded-For: 127.0.0.1][X-Forwarded-Host: registry.test][X-Forwarded-Proto: https]"
)

// malformed are the changes of a request that Apache passes on, to whoever has
// the password, and gatehouse refuses to read.
var malformed = []string{
	"Status: 200 -> 400", "Status: 401 -> 400", "Challenge: * -> none", "Body: upstream -> json", "Upstream: * -> none",
}

// refused are the changes of credentials that Apache takes and gatehouse does not.
var refused = []string{
	"Status: 200 -> 401", "Challenge: none -> " + challenge, "Body: upstream -> json", "Upstream: * -> none",
}

// differences is the whole of what gatehouse does otherwise than Apache with
// the recipe's configuration, and why. The first reason that fits counts.
var differences = []reason{
	{
		why:     "registry clients parse refusals, print their message and stumble over HTML",
		changes: []string{"Body: html -> json"},
	}, {
		why:     "the recipe sets the header on top of the registry's own",
		changes: []string{"Version: registry/2.0 | registry/2.0 -> registry/2.0"},
	}, {
		why:     "a browser and a client have to know how a password is encoded (RFC 7617, section 2.1)",
		changes: []string{`Challenge: Basic realm="Registry Authentication" -> ` + challenge},
	}, {
		why:     "the registry has no use for passwords",
		changes: []string{"Secret: * -> none"},
	}, {
		group:   headers,
		what:    []string{"Host with a port"},
		why:     "the name of the gateway is nobody's business",
		changes: []string{"Forwarded: * -> [X-Forwarded-For: 127.0.0.1][X-Forwarded-Host: registry.test:5043][X-Forwarded-Proto: https]"},
	}, {
		group:   headers,
		what:    []string{"Host in upper case"},
		why:     "the name of the gateway is nobody's business",
		changes: []string{"Forwarded: * -> [X-Forwarded-For: 127.0.0.1][X-Forwarded-Host: REGISTRY.test][X-Forwarded-Proto: https]"},
	}, {
		why:     "what a client says about itself is not passed on as if the gateway vouched for it, nor is the gateway's own name",
		changes: []string{"Forwarded: * -> " + forwarded},
	},

	// Methods.
	{
		group:   methods,
		what:    []string{"POST", "PUT", "PATCH", "DELETE"},
		who:     []string{"the puller"},
		why:     "a known user who lacks a right is told so; after a 401 clients ask for the password again, or repeat the push",
		changes: []string{"Status: 401 -> 403", "Challenge: * -> none"},
	}, {
		group:   methods,
		what:    []string{"OPTIONS"},
		who:     []string{"nobody", "a stranger"},
		why:     "<Limit> leaves methods that it does not list open to everybody; here what no rule allows is denied",
		changes: []string{"Status: 200 -> 401", "Challenge: none -> " + challenge, "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   methods,
		what:    []string{"OPTIONS"},
		why:     "<Limit> leaves methods that it does not list open to everybody; here what no rule allows is denied",
		changes: []string{"Status: 200 -> 403", "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   methods,
		what:    []string{"TRACE"},
		why:     "TRACE repeats the password to whoever made a browser send it",
		changes: []string{"Status: 200 -> 405", "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   methods,
		what:    []string{"CONNECT"},
		why:     "the target of CONNECT is well-formed; it is the method that is not offered",
		changes: []string{"Status: 400 -> 405"},
	}, {
		group:   methods,
		what:    []string{"PROPFIND", "MKCOL", "COPY", "LOCK", "REPORT", "SEARCH", "PURGE", "LINK", "QUERY", "FOO", "get", "Get"},
		why:     "<Limit> leaves methods that it does not list open to everybody; no registry knows these, and methods are case-sensitive",
		changes: []string{"Status: 200 -> 501", "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   methods,
		what:    []string{"HEAD"},
		why:     "HEAD is answered with the headers of GET",
		changes: []string{"Headers: none -> [Content-Length: 111]"},
	},

	// Paths.
	{
		group:   paths,
		what:    []string{"/", "/v1/", "/v2x", "/V2/", "/error/"},
		why:     "there is nothing there, for anybody, and no registry",
		changes: []string{"Status: 403 -> 404", "Version: registry/2.0 -> none"},
	}, {
		group: paths,
		what: []string{
			"//v2/", "/v2//x", "/v2/x//", "/./v2/", "/v2/./x", "/v2/../v2/x", "/x/../v2/y", "/v2/x/..", "/v2/x/.",
			"/v2/x/%2e%2e/y", "/v2/%2E%2E/v2/x", "/v2/x%2e",
		},
		why:     "a path that another server might resolve otherwise is refused, not tidied up: rules would judge one path and the registry see another",
		changes: malformed,
	}, {
		group:   paths,
		what:    []string{"/v2/../", "/v2/..", "/v2/%2e%2e/", "/v2;x=1/y", "http://registry.test"},
		why:     "malformed comes before forbidden",
		changes: []string{"Status: 403 -> 400"},
	}, {
		group:   paths,
		what:    []string{"/v2%2fx", "/v2/a%2Fb", "/v2/x%00", "/v2/..%2fx"},
		why:     "malformed comes before not found",
		changes: []string{"Status: 404 -> 400"},
	}, {
		group: paths,
		what: []string{
			"/v2/a%5cb", `/v2/a\b`, "/v2/%252e%252e/", "/v2/a%252fb", "/v2/..;/x", "/v2/a;b=c/d",
			"/v2/%0a", "/v2/%0d%0aX:y", "/v2/%7f", "/v2/%c0%af", "/v2/%ff", "/v2/é", `/v2/"<>`, "/v2/{|}", "/v2/^`", "/v2/[x]",
		},
		why:     "no name in a registry has these; servers disagree about what they mean",
		changes: malformed,
	}, {
		group:   paths,
		what:    []string{"/v2/x?q=%2F&r=%zz", "/v2/x?a;b=c"},
		why:     "a query that can be read in two ways could name one repository to the rules and another to the registry",
		changes: malformed,
	}, {
		group:   paths,
		what:    []string{"/v2/?"},
		why:     "an empty query is no query",
		changes: []string{"Upstream: GET /v2/? -> GET /v2/"},
	}, {
		group:   paths,
		what:    []string{"http://other.example/v2/x"},
		why:     "a target that names another host than the Host header is read as either by the next server",
		changes: malformed,
	}, {
		group:   paths,
		what:    []string{"OPTIONS *"},
		why:     "there is nothing to say about the server as a whole without a password",
		changes: []string{"Status: 200 -> 400", "Body: none -> json"},
	}, {
		group: paths,
		what: []string{
			"//v2/", "/./v2/", "/x/../v2/y", "/v2;x=1/y", "/v2%2fx", "/%2e%2e/v2/", "v2/", "*", "OPTIONS *",
			"http://registry.test", "http://other.example/v2/x", "ftp://registry.test/v2/x",
		},
		why:     "nobody who asks like this is known to mean a registry",
		changes: []string{"Version: * -> none"},
	},

	// Password files.
	{
		group:   passwords,
		what:    []string{`"bom" with "secret"`},
		why:     "a byte order mark is no part of the first user's name",
		changes: []string{"Status: 401 -> 200", "Challenge: * -> none", "Body: html -> upstream", "Upstream: none -> GET /v2/"},
	}, {
		group:   passwords,
		what:    []string{`"\ufeffbom" with "secret"`},
		why:     "a byte order mark is no part of the first user's name",
		changes: refused,
	}, {
		group:   passwords,
		what:    []string{`"jose\u0301" with "secret"`},
		why:     "macOS sends letters and their marks apart; everybody else, the password file too, writes them as one",
		changes: []string{"Status: 401 -> 200", "Challenge: * -> none", "Body: html -> upstream", "Upstream: none -> GET /v2/"},
	}, {
		group:   passwords,
		what:    []string{`"trail " with "secret"`},
		why:     "a name that ends in a blank is a slip; nobody can see it",
		changes: refused,
	}, {
		group:   passwords,
		what:    []string{`"nopassword" with ""`},
		why:     "an empty password is none, whatever the file says",
		changes: refused,
	}, {
		group:   passwords,
		what:    []string{`"long" with 73 characters`},
		why:     "bcrypt looks at 72 bytes; a longer password would be right with any ending",
		changes: refused,
	},

	// Group files.
	{
		group:   groups,
		why:     "a known user who lacks a right is told so",
		changes: []string{"Status: 401 -> 403", "Challenge: * -> none"},
	},

	// The Authorization header.
	{
		group: credentials,
		what: []string{
			"two blanks", "no padding", "too much padding", "trailing bits set", "garbage behind", "word behind", "NUL behind the password",
		},
		why:     "credentials have one spelling (RFC 7617, section 2; RFC 4648, section 3.5); what is cut off or skipped is what another server reads",
		changes: refused,
	}, {
		group:   credentials,
		what:    []string{"9000 bytes of password"},
		why:     "headers may be longer here; a password may not",
		changes: []string{"Status: 400 -> 401", "Challenge: none -> " + challenge},
	}, {
		group:   credentials,
		what:    []string{"twice the same", "twice, good first", "twice, good last", "folded line"},
		why:     "two sets of credentials, or a line that servers join in different ways (RFC 9112, section 5.2)",
		changes: malformed,
	},

	// Other headers, and bodies.
	{
		group:   headers,
		what:    []string{"range"},
		why:     "a range is the registry's to serve; what it sends whole is passed on whole",
		changes: []string{"Status: 206 -> 200", "Body: upst -> upstream", "Headers: * -> none"},
	}, {
		group:   headers,
		what:    []string{"accept"},
		why:     "headers are passed on as they came",
		changes: []string{"Other: [Accept: a/b, c/d][Accept-Encoding: gzip][User-Agent: test] -> [Accept: a/b][Accept: c/d][Accept-Encoding: gzip][User-Agent: test]"},
	}, {
		group:   headers,
		what:    []string{"X-Remote-User", "X_Remote_User"},
		why:     "who the user is says the gateway; many servers read _ as -",
		changes: []string{"Other: * -> none"},
	}, {
		group:   headers,
		what:    []string{"method override"},
		why:     "the rules have judged the method of the request line",
		changes: []string{"Other: * -> none"},
	}, {
		group:   headers,
		what:    []string{"idempotency"},
		why:     "it would allow a library to send a POST twice",
		changes: []string{"Other: * -> none"},
	}, {
		group:   headers,
		what:    []string{"expects 100"},
		why:     "the gateway has answered the expectation when it asks for the body",
		changes: []string{"Other: [Expect: 100-continue] -> none"},
	}, {
		group:   headers,
		what:    []string{"upgrade"},
		why:     "a WebSocket is not passed on: rules cannot judge what comes behind the upgrade",
		changes: []string{"Status: 200 -> 501", "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   headers,
		what:    []string{"folded header", "HTTP/2.0 in a request line", "chunked and length"},
		why:     "a head or a body that the next server may read otherwise smuggles requests past the rules (RFC 9112, sections 5.2 and 6.3)",
		changes: []string{"Status: 200 -> 400", "Body: upstream -> json", "Upstream: * -> none"},
	}, {
		group:   headers,
		what:    []string{"broken chunk"},
		why:     "a body is passed on as it comes; the registry never sees an end of one that is malformed",
		changes: []string{"Upstream: none -> POST /v2/x, cut off"},
	}, {
		group:   headers,
		what:    []string{"another Host"},
		why:     "the name of the gateway is nobody's business; with one route for every host there are no rules of another",
		changes: []string{"Forwarded: * -> [X-Forwarded-For: 127.0.0.1][X-Forwarded-Host: other.example][X-Forwarded-Proto: https]"},
	}, {
		group:   headers,
		what:    []string{"HTTP/1.0 without Host"},
		why:     "HTTP/1.0 has no Host; the name of the TLS handshake stands for it",
		changes: []string{"Status: 400 -> 200", "Body: html -> upstream", "Upstream: none -> GET /v2/x"},
	}, {
		group:   headers,
		what:    []string{"no version"},
		why:     "HTTP/0.9 is answered with an error that can be read",
		changes: []string{"Status: none -> 400", "Body: none -> json", "Version: none -> registry/2.0"},
	}, {
		group:   headers,
		what:    []string{"header of 9000 bytes"},
		why:     "tokens can be that long; the limit is on the whole head",
		changes: []string{"Status: 400 -> 200", "Body: html -> upstream", "Upstream: * -> GET /v2/x"},
	}, {
		group:   headers,
		what:    []string{"120 headers"},
		why:     "the status says what is wrong (RFC 6585, section 5)",
		changes: []string{"Status: 400 -> 431"},
	}, {
		group: headers,
		what:  []string{"announces a body and keeps it"},
		who:   []string{"nobody", "a stranger"},
		why:   "who is refused learns it before the layer is sent",
		changes: []string{
			"Status: none -> 401", "Body: none -> json", "Challenge: none -> " + challenge, "Version: none -> registry/2.0",
		},
	}, {
		group:   headers,
		what:    []string{"announces a body and keeps it"},
		who:     []string{"the puller"},
		why:     "who is refused learns it before the layer is sent",
		changes: []string{"Status: none -> 403", "Body: none -> json", "Version: none -> registry/2.0"},
	}, {
		group:   headers,
		what:    []string{"asks before it sends a body"},
		who:     []string{"the puller"},
		why:     "a known user who lacks a right is told so",
		changes: []string{"Status: 401 -> 403", "Challenge: * -> none"},
	},

	// Answers of the registry.
	{
		group:   answers,
		what:    []string{"HEAD /v2/empty"},
		why:     "docker needs the length of an empty blob; Apache drops it",
		changes: []string{"Headers: none -> [Content-Length: 0]"},
	}, {
		group:   answers,
		what:    []string{"Range"},
		why:     "a range is the registry's to serve; what it sends whole is passed on whole",
		changes: []string{"Status: 206 -> 200", "Body: 1234 -> 12345678", "Headers: * -> [Docker-Content-Digest: sha256:0][Etag: \"sha256:0\"]"},
	}, {
		group:   answers,
		what:    []string{"GET /v2/created-upstream", "HEAD /v2/created-upstream", "POST /v2/created-upstream"},
		why:     "a location without a host is right by whatever name and port the client came",
		changes: []string{"Headers: * -> [Location: /v2/new?_state=a%2Fb]"},
	}, {
		group:   answers,
		what:    []string{"GET /v2/created-here", "HEAD /v2/created-here", "POST /v2/created-here"},
		why:     "a registry that does not know of TLS would send the client, and the password, to plain HTTP",
		changes: []string{"Headers: * -> [Location: /v2/new]"},
	}, {
		group: answers,
		what:  []string{"GET /v2/own-challenge", "HEAD /v2/own-challenge", "POST /v2/own-challenge"},
		why:   "a registry that asks for credentials of its own sends clients, and their passwords, elsewhere; who is right behind the gateway is the gateway's to say",
		changes: []string{
			"Status: 401 -> 502", "Body: none -> json", "Challenge: * -> none", "Headers: none -> [Content-Length: 133]",
		},
	},
}
