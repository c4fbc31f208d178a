package main

import (
	"context"

	"gatehouse/backend"
	"gatehouse/gateway"
)

// setting is the gateway that is asked about.
type setting struct {
	routes     []gateway.Route
	healthPath string
	backends   backends
}

// backends tells of the backends of a gateway.
type backends interface {
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
