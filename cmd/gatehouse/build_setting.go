package main

import (
	"context"

	"gatehouse/backend"
)

// setting returns what there is to ask about.
func (a *assembly) setting() setting {
	return setting{routes: a.gateway.Routes, healthPath: a.gateway.HealthPath, backends: a}
}

// BackendOf returns the name of the backend of the route at an index.
func (a *assembly) BackendOf(route int) string { return a.config.Routes[route].Backend }

// Named returns the backend of that name as chains use it, nil if it could not be opened.
func (a *assembly) Named(name string) backend.Backend { return a.stack(name).named }

// FindOut asks which groups share a name, and what a survey of the backends finds.
func (a *assembly) FindOut(ctx context.Context) {
	a.findNamesakes(ctx)
	a.survey(ctx)
}
