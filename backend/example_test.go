package backend_test

import (
	"context"
	"fmt"

	"gatehouse/backend"
)

// A single is a Backend with one user.
type single struct{ user, password string }

func (s single) Authenticate(_ context.Context, user, password string) (backend.Identity, error) {
	switch {
	case user != s.user:
		return backend.Identity{}, backend.ErrUnknownUser
	case password != s.password:
		return backend.Identity{}, backend.ErrWrongPassword
	}
	fmt.Println("somebody looked it up")
	return backend.Identity{User: user}, nil
}

func (single) Groups(context.Context, backend.Identity) ([]string, error) { return nil, nil }

func ExampleRefused() {
	b := single{"alice", "correct horse"}
	_, err := b.Authenticate(context.Background(), "alice", "battery staple")
	switch {
	case err == nil:
		fmt.Println("200: let in")
	case backend.Refused(err):
		fmt.Println("401: try another password")
	default:
		fmt.Println("503: nobody knows; keep the password and come back later")
	}
	// Output: 401: try another password
}

func ExampleNewCache() {
	local := backend.Named("local", single{"alice", "correct horse"})
	c, err := backend.NewCache(local, backend.CacheConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		id, err := c.Authenticate(context.Background(), "alice", "correct horse")
		fmt.Println(id.User, "of", id.Source, err)
	}
	// Output:
	// somebody looked it up
	// alice of local <nil>
	// alice of local <nil>
}
