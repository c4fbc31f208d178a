package assemble

import (
	"context"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/explain"
)

// Setting returns what there is to ask about.
func (a *Assembly) Setting() explain.Setting {
	return explain.Setting{Routes: a.Gateway.Routes, HealthPath: a.Gateway.HealthPath, Tokens: a.Gateway.Tokens, Backends: a}
}

// BackendOf returns the name of the backend of the route at an index.
func (a *Assembly) BackendOf(route int) string { return a.Config.Routes[route].Backend }

// Named returns the backend of that name as chains use it, nil if it could not be opened.
func (a *Assembly) Named(name string) backend.Backend { return a.Stack(name).named }

// FindOut asks which groups share a name, and what a survey of the backends finds.
func (a *Assembly) FindOut(ctx context.Context) {
	a.FindNamesakes(ctx)
	a.Survey(ctx)
}
