package upstream

import "time"

// Config is the service that a route leads to.
type Config struct {
	// URL is http://host:port, https://host:port or unix:/path/to/socket. An http or
	// https URL may have a path: then the path of a request is appended to it, for a
	// registry from its v2 segment on, and references in answers are mapped back.
	URL string

	// CAFile holds the authorities to trust for https, in PEM, in place of the
	// system's.
	CAFile string

	// ServerName is the name to verify for https where it is not the URL's host.
	ServerName string

	// CertFile and KeyFile are a client certificate for https.
	CertFile string
	KeyFile  string

	// User and Password are sent as Basic credentials, in place of the client's.
	User     string
	Password string

	// IdleTimeout is how long an unused connection is kept. It must be below
	// the upstream's own: a request that is sent just when the upstream hangs
	// up is lost. Default 30 s.
	IdleTimeout time.Duration

	// Timeouts stand in place of those that the gateway has for all upstreams. Zero is
	// the one of the gateway.
	Timeouts Timeouts
}

// Timeouts bound how long an upstream may be silent. There is no limit on how long
// a request takes in total.
type Timeouts struct {
	Connect        time.Duration // to connect
	Response       time.Duration // until it begins to answer
	UploadResponse time.Duration // the same for PUT, PATCH and POST, where a registry may hash a whole layer first
	BodyIdle       time.Duration // without progress of a body in either direction
}
