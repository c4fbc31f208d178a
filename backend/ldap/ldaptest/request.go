package ldaptest

import "time"

// Kind is what a request is about.
type Kind string

// The kinds of requests.
const (
	Connect  Kind = "connect"  // a connection, before anything is read from it
	Bind     Kind = "bind"     // with a password or a certificate
	Search   Kind = "search"   // of any scope
	StartTLS Kind = "starttls" // to encrypt the connection
	WhoAmI   Kind = "whoami"   // for the name that the connection is bound as
	Abandon  Kind = "abandon"  // of another request, which has no answer
	Unbind   Kind = "unbind"   // the end of the connection, which has none either
	Other    Kind = "other"    // that the server does not do
)

// Request is what a client asked.
type Request struct {
	Kind   Kind
	Conn   int    // number of the connection, from 1
	Scheme string // ldap, ldaps or ldapi
	TLS    bool   // whether the connection was encrypted by then
	Bound  string // the name that the connection was bound as
	DN     string // name to bind as, or base of a search
	SASL   string // mechanism, where it was not a simple bind

	// Of a search:
	Scope      int
	SizeLimit  int
	Filter     string
	Attributes []string
	Paged      bool
}

// Fault is what goes wrong with a request. The zero Fault is nothing.
type Fault struct {
	// Hang leaves the request without an answer. Of a [Connect] it stalls the
	// TLS handshake of an ldaps connection.
	Hang bool

	// Delay answers later. Requests that come meanwhile overtake this one.
	Delay time.Duration

	// StallTLS agrees to StartTLS, and then says nothing more.
	StallTLS bool

	// StopReading reads nothing more from the connection, nor closes it.
	StopReading bool

	// Close closes the connection in place of an answer, in the orderly way;
	// Reset breaks it.
	Close, Reset bool

	// Answer is the result in place of the true one.
	Answer *Answer

	// AfterEntries sends what was found before the Answer, Close, Reset or Raw.
	AfterEntries bool

	// Raw is sent in place of the answer.
	Raw []byte

	// Tag, where not 0, is sent as the kind of the answer in place of the right
	// one; IDShift is added to the number that says which request it is for.
	Tag     uint
	IDShift int64
}

// Answer is a result as RFC 4511, section 4.1.9, has it.
type Answer struct {
	Code      int64
	MatchedDN string
	Text      string
	Referrals []string
	Controls  []Control
}

// Control is one that goes with an answer.
type Control struct {
	OID   string
	Value []byte
}

// The result codes that the server itself answers with.
const (
	success             = 0
	operationsError     = 1
	protocolError       = 2
	sizeLimitExceeded   = 4
	noSuchObject        = 32
	invalidCredentials  = 49
	unwillingToPerform  = 53
	unavailableCritical = 12
	inappropriateAuth   = 48
)
