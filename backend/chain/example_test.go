package chain_test

import (
	"context"
	"fmt"

	"gatehouse/backend"
	"gatehouse/backend/chain"
)

// closed is a Backend that cannot be asked.
type closed struct{}

func (closed) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, backend.ErrUnavailable
}

func (closed) Groups(context.Context, backend.Identity) ([]string, error) {
	return nil, backend.ErrUnavailable
}

// robots is a Backend with one user.
type robots struct{}

func (robots) Authenticate(_ context.Context, user, _ string) (backend.Identity, error) {
	if user != "ci-bot" {
		return backend.Identity{}, backend.ErrUnknownUser
	}
	return backend.Identity{User: user}, nil
}

func (robots) Groups(context.Context, backend.Identity) ([]string, error) { return nil, nil }

func ExampleNew() {
	b, err := chain.New(chain.Config{Members: []chain.Member{
		{Name: "corp", Backend: closed{}, NextOnUnavailable: true},
		{Name: "local", Backend: robots{}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ci-bot", "alice"} {
		id, err := b.Authenticate(context.Background(), user, "correct horse")
		fmt.Println(user, id.Source, err)
	}
	// Output:
	// ci-bot local <nil>
	// alice  backend unavailable
}
