package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/spell"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// Claimant is whoever a question says to send a request.
type Claimant struct {
	Name    string // as typed into a login; empty for somebody without one
	Backend string // that vouches; empty for any of those that the route asks

	Groups      []string
	GroupsKnown bool

	Via   rules.Way       // how the claimant logs in
	Token *gateway.Bearer // that the claimant comes with, and says who it is; nil if none is given
}

// witness tells what a gateway would find out of a claimant with a name that a
// login can have, and a backend, if any, that the route asks.
type witness interface {
	testify(ctx context.Context, c Claimant, on routeBackend) testimony
}

// routeBackend is the backend of a route, and the names by which those can be
// told apart that may vouch for its users.
type routeBackend struct {
	name    string
	backend backend.Backend
	sources []string
}

// testimony is what a witness says.
type testimony struct {
	subjects []rules.Subject // at least one
	down     bool            // the backend gives no answer, and would give a client none
	unknown  bool            // who it is could not be found out, which a login would
	barred   bool            // it is known that no login would let the claimant in
	refusal  error           // why the backend does not let the owner of a token go on
	note     string          // for people; empty if there is nothing to say
}

// nobody is the testimony about somebody who has not logged in, or could not.
func nobody(note string) testimony {
	return testimony{subjects: []rules.Subject{{}}, note: note}
}

// barred is the testimony about somebody whom the backend does not let in.
func barred(c Claimant, refusal error) testimony {
	t := nobody(fmt.Sprintf("%s cannot log in: %v", c.Name, refusal))
	t.barred = true
	return t
}

// hear asks w about c, if there is anything to ask.
func (c Claimant) hear(ctx context.Context, w witness, on routeBackend) (testimony, error) {
	if name, ok := strings.CutPrefix(c.Name, rules.RobotSource+":"); ok && c.Backend == "" {
		return c.asRobot(name)
	}
	if source, name, ok := strings.Cut(c.Name, ":"); ok && c.Backend == "" {
		c.Backend, c.Name = source, name
	}
	if c.Backend != "" && !slices.Contains(on.sources, c.Backend) {
		return testimony{}, fmt.Errorf("no user of this route is vouched for by a backend %q: it asks %s%s",
			c.Backend, strings.Join(on.sources, ", "), spell.DidYouMean(c.Backend, on.sources))
	}
	if c.Name == "" {
		return nobody(""), nil
	}
	name, err := strict.UserName(c.Name)
	if err != nil {
		return nobody(fmt.Sprintf("nobody can log in as %q: %v", c.Name, err)), nil
	}
	c.Name = name
	t := w.testify(ctx, c, on)
	for i := range t.subjects {
		if t.subjects[i].LoggedIn {
			t.subjects[i].Via = c.Via
		}
	}
	return t, nil
}

// asRobot is the testimony about the robot of a name: it has a token, and is in no group.
func (c Claimant) asRobot(name string) (testimony, error) {
	if len(c.Groups) > 0 || c.Via != "" && c.Via != rules.ByToken {
		return testimony{}, fmt.Errorf("%s is a robot, which is in no group and comes with a token", c.Name)
	}
	return testimony{subjects: []rules.Subject{{LoggedIn: true, Identity: rules.RobotIdentity(name), Via: rules.ByToken, GroupsKnown: true}}}, nil
}

// hearsay takes what a claimant says for true. Names are spelled as the backend
// does that vouches, since rules are.
type hearsay struct{}

func (hearsay) testify(_ context.Context, c Claimant, on routeBackend) testimony {
	sources := on.sources
	if c.Backend != "" {
		sources = []string{c.Backend}
	}
	var t testimony
	for _, source := range sources {
		t.subjects = append(t.subjects, c.as(source, backend.Extend(on.backend).Spelling(source)))
	}
	return t
}

// as returns c as the backend called source would vouch for it.
func (c Claimant) as(source string, spelling backend.Canonicalizer) rules.Subject {
	who := rules.Subject{
		LoggedIn:    true,
		Identity:    backend.Identity{User: spelling.CanonicalUser(c.Name), Source: source},
		GroupsKnown: c.GroupsKnown,
	}
	for _, group := range c.Groups {
		who.Groups = append(who.Groups, spelling.CanonicalGroup(group))
	}
	return who
}

// reader finds out of the files of backends that have all their users and groups in
// such. Nobody has to be asked for a password.
type reader struct{}

func (reader) testify(ctx context.Context, c Claimant, on routeBackend) testimony {
	var known testimony
	var refusals []error
	for _, who := range (hearsay{}).testify(ctx, c, on).subjects {
		if _, err := backend.Extend(on.backend).Revalidate(ctx, who.Identity); err != nil {
			refusals = append(refusals, err)
			continue
		}
		found := groupsOf(ctx, on.backend, who.Identity)
		if found.down {
			return found
		}
		known.subjects = append(known.subjects, found.subjects...)
	}
	if len(known.subjects) == 0 {
		return barred(c, refusals[0])
	}
	return known
}

// inquirer asks the backends themselves.
type inquirer struct {
	backends Backends

	// password asks a person for the password of the claimant.
	password func() (string, error)
}

func (q inquirer) testify(ctx context.Context, c Claimant, on routeBackend) testimony {
	asked := on.backend
	if c.Backend != "" && c.Backend != on.name {
		asked = q.backends.Named(c.Backend)
	}
	id, err := backend.LookUp(ctx, asked, c.Name)
	if errors.Is(err, errors.ErrUnsupported) {
		if t, ok := presume(ctx, c, on); ok {
			return t
		}
		password, refusal := q.password()
		if refusal != nil {
			t := nobody(fmt.Sprintf("the backend cannot say who %s is without a password, and there is no terminal to ask for it on: name the groups with --groups", c.Name))
			t.unknown = true
			return t
		}
		id, err = asked.Authenticate(ctx, c.Name, password)
	}
	switch {
	case backend.Refused(err):
		return barred(c, err)
	case err != nil:
		t := nobody(fmt.Sprintf("who %s is could not be found out: %v", c.Name, err))
		t.down = true
		return t
	}
	return groupsOf(ctx, on.backend, id)
}

// presume has a backend that cannot look users up without a password say whether
// it would let in one of that name, and takes it for granted where it cannot say
// that either. It fails where the name may mean several users, or their groups are
// known from a login alone.
func presume(ctx context.Context, c Claimant, on routeBackend) (testimony, bool) {
	t := hearsay{}.testify(ctx, c, on)
	if len(t.subjects) != 1 {
		return t, false
	}
	id := t.subjects[0].Identity
	_, standing := backend.Extend(on.backend).Revalidate(ctx, id)
	if backend.Refused(standing) {
		return barred(c, standing), true
	}
	t = groupsOf(ctx, on.backend, id)
	if !t.down && standing != nil {
		t.note = fmt.Sprintf("it is taken for granted that %s can log in: %v", c.Name, standing)
	}
	return t, !t.down
}

func groupsOf(ctx context.Context, b backend.Backend, id backend.Identity) testimony {
	who := rules.Subject{LoggedIn: true, Identity: id}
	groups, err := b.Groups(ctx, id)
	missing := backend.IncompleteOf(err)
	if who = who.WithGroups(groups, missing); missing != nil && !who.GroupsKnown {
		return testimony{subjects: []rules.Subject{who}, down: true, note: fmt.Sprintf("some groups of %s could not be found out: %v", id.User, missing.Cause)}
	}
	if err != nil && missing == nil {
		who.GroupsKnown = false
		return testimony{subjects: []rules.Subject{who}, down: true, note: fmt.Sprintf("the groups of %s could not be found out: %v", id.User, err)}
	}
	return testimony{subjects: []rules.Subject{who}}
}
