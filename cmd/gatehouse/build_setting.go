package main

import (
	"context"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/explain"
)

// setting returns what there is to ask about.
func (a *assembly) setting() explain.Setting {
	return explain.Setting{Routes: a.gateway.Routes, HealthPath: a.gateway.HealthPath, Backends: a}
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
