// Package explain says what a gateway would answer, and why, in words for people and in
// JSON for machines.
//
// An [Inquiry] asks the rules and the backends of a [Setting] the questions that a gateway
// asks them, by the same functions, so that it cannot say anything else than the gateway
// does. It knows who asks ([Claimant]), which requests clients make for an operation such
// as push ([Plan]), and what decided ([Explanation]). [Whois] tells who somebody is.
//
// The package knows neither the configuration nor how backends are opened.
package explain

import (
	"context"

	"gatehouse/backend"
	"gatehouse/gateway"
)

// Setting is the gateway that is asked about.
type Setting struct {
	Routes     []gateway.Route
	HealthPath string
	Tokens     *gateway.Tokens // nil if it issues none
	Backends   Backends
}

// Backends tells of the backends of a gateway.
type Backends interface {
	// BackendOf returns the name of the backend of the route at an index.
	BackendOf(route int) string

	// Named returns the backend of that name, which says of each user that it vouches;
	// nil if there is none.
	Named(name string) backend.Backend

	// InFiles reports whether all users and groups of the backend of that name are in
	// files.
	InFiles(name string) bool

	// FindOut asks what those backends have to know that can say who somebody is without
	// a password. What could not be found out shows when they are asked.
	FindOut(ctx context.Context)
}
