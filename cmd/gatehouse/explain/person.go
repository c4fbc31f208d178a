package explain

import (
	"context"
	"errors"
	"fmt"
	"gatehouse/backend"
	"gatehouse/backend/shown"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"io"
	"strings"
)

// Person is what whoami prints of a user in one backend.
type Person struct {
	Backend string       `json:"backend"`
	Found   bool         `json:"found"`
	User    string       `json:"user,omitempty"`
	State   string       `json:"state,omitempty"` // why the account may not be used; empty if it may
	Entry   string       `json:"entry,omitempty"` // its DN
	Groups  []string     `json:"groups,omitempty"`
	Why     []Membership `json:"why,omitempty"`
	Error   string       `json:"error,omitempty"`
	Expires string       `json:"password_expires,omitempty"` // where that is soon
}

// Membership is a group of a person.
type Membership struct {
	Group  string   `json:"group"`
	Names  []string `json:"names,omitempty"`
	Shared []string `json:"shared_names,omitempty"` // that count for no group
	Path   []string `json:"path,omitempty"`
	At     []string `json:"at,omitempty"`
}

// Whois looks a user up as a login does. It fails with [errors.ErrUnsupported]
// where b can tell nothing without a password.
func Whois(ctx context.Context, b backend.Backend, user string) (Person, error) {
	id, standing := backend.LookUp(ctx, b, user)
	if _, isRoster := b.(backend.Roster); isRoster && errors.Is(standing, errors.ErrUnsupported) {
		id, standing = inFile(ctx, b, user)
	}
	if standing != nil && !(backend.Refused(standing) && id.User != "") {
		return Person{}, standing
	}
	p := Person{User: id.User, Entry: id.Handle, Expires: id.Expires}
	if standing != nil {
		p.State = standing.Error()
	}
	var err error
	p.Groups, err = b.Groups(ctx, id)
	if err = backend.MissingGroups(err); err != nil {
		return p, err
	}
	explainer, ok := b.(backend.Explainer)
	if !ok {
		return p, nil
	}
	all, err := explainer.Explain(ctx, id)
	for _, m := range all {
		p.Why = append(p.Why, Membership(m))
	}
	return p, err
}

// inFile returns who somebody is to a backend that has its users in a file.
func inFile(ctx context.Context, b backend.Backend, user string) (backend.Identity, error) {
	name, err := strict.UserName(user)
	if err != nil {
		return backend.Identity{}, fmt.Errorf("nobody can log in as %q: %w", user, err)
	}
	id := backend.Identity{User: backend.Extend(b).CanonicalUser(name)}
	if _, err = backend.Extend(b).Revalidate(ctx, id); errors.Is(err, backend.ErrUnknownUser) {
		return backend.Identity{}, err
	}
	return id, err
}

// Print writes a person for people.
func (p Person) Print(out io.Writer) {
	line := func(label, text string) { fmt.Fprintf(out, "%-8s %s\n", label, shown.Text(text)) }
	line("backend", p.Backend)
	line("user", p.User)
	if p.Entry != "" {
		line("entry", p.Entry)
	}
	if p.State != "" {
		line("state", "may not log in: "+p.State)
	}
	if p.Expires != "" {
		line("password", "expires on "+p.Expires)
	}
	if why := rules.Unfit(p.User); why != "" {
		line("rules", why)
	}
	line("groups", strings.Join(p.Groups, "; "))
	for _, m := range p.Why {
		names := ""
		if len(m.Names) > 0 {
			names = " (" + strings.Join(m.Names, ", ") + ")"
		}
		for _, name := range m.Shared {
			names += fmt.Sprintf(" (other groups share the name %s, so that it counts for none and \"not group\" keeps their members out: rules have to write the DN)", name)
		}
		path := strings.Join(m.Path, " -> ")
		if path == "" {
			path = "cannot be told: " + m.Group
		}
		if len(m.At) > 0 {
			names += ", by " + strings.Join(m.At, ", ")
		}
		line("why", path+names)
	}
	fmt.Fprintln(out)
}
