package backend_test

import (
	"context"
	"errors"
	"strings"

	"gatehouse/backend"
)

// A world is a Backend of a few users who change, and of two sources that fail
// apart from each other. It counts what it is asked, and is for one question at a
// time.
type world struct {
	users    map[string]account
	versions map[string]uint64
	failures map[string]string // by source: what is wrong with it
	asked    questions
}

// questions counts what was asked.
type questions struct{ logins, groups, checks int }

func newWorld() *world {
	return &world{users: make(map[string]account), versions: make(map[string]uint64), failures: make(map[string]string)}
}

// source is the source that vouches for a user.
func source(user string) string {
	if user == "user1" {
		return "local"
	}
	return "corp"
}

func (w *world) Version(user string) uint64 { return w.versions[user] }

func (w *world) Authenticate(_ context.Context, user, password string) (backend.Identity, error) {
	w.asked.logins++
	return backend.Identity{User: user, Handle: "uid=" + user, Source: source(user)}, saying(w.verdict(pair{user, password}))
}

func (w *world) Groups(_ context.Context, id backend.Identity) ([]string, error) {
	w.asked.groups++
	names, failure := w.list(id.User)
	return strings.Fields(names), saying(failure)
}

func (w *world) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	w.asked.checks++
	return id, saying(w.standing(id.User))
}

// verdict is what a login comes to.
func (w *world) verdict(p pair) string {
	a, known := w.users[p.user]
	switch failure := w.failures[source(p.user)]; {
	case failure != "":
		return failure
	case !known:
		return "unknown user"
	case a.locked:
		return "locked"
	case a.password != p.password:
		return "wrong password"
	}
	return ""
}

// list is what a question for groups comes to.
func (w *world) list(user string) (names, failure string) {
	a, known := w.users[user]
	switch failure := w.failures[source(user)]; {
	case failure != "":
		return "", failure
	case !known:
		return "", "unknown user"
	}
	return strings.Join(a.groups, " "), ""
}

// standing is what it comes to whether a user counts still. Of one user, nobody
// can tell.
func (w *world) standing(user string) string {
	a, known := w.users[user]
	switch failure := w.failures[source(user)]; {
	case user == "user0":
		return "unsupported"
	case failure != "":
		return failure
	case !known:
		return "unknown user"
	case a.locked:
		return "locked"
	}
	return ""
}

// saying is an error with the given verdict.
func saying(verdict string) error {
	return map[string]error{
		"unknown user":   backend.ErrUnknownUser,
		"wrong password": backend.ErrWrongPassword,
		"locked":         backend.ErrLocked,
		"unavailable":    backend.ErrUnavailable,
		"unsupported":    errors.ErrUnsupported,
		"fault":          errors.New("result code 80"),
	}[verdict]
}
