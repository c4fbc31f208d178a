package explain

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/gateway"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// Inquiry asks what a gateway would answer.
type Inquiry struct {
	setting Setting
	book    *gateway.Rulebook
	witness witness
	live    bool // the witness is who asks the backends themselves

	who  Claimant
	host string // that requests name; empty for one that leads to the route
	from netip.Addr

	origin string // of the page whose script asks; empty for no browser

	registry string // root of the one that operations are about; empty for the one that is meant

	heard map[int]testimony // by the index of the route
}

// DefaultFrom is the address of clients in a question that names none.
const DefaultFrom = "127.0.0.1"

// ParseFrom reads the address of the client in a question, which may name none.
func ParseFrom(text string) (netip.Addr, error) {
	from, err := netip.ParseAddr(cmp.Or(text, DefaultFrom))
	if err != nil {
		return from, fmt.Errorf("%q is no address: write one such as 10.1.2.3", text)
	}
	return from.Unmap(), nil
}

// New returns an inquiry by nobody. It fails where the rules cannot be compiled, or
// there is nobody to say how names are spelled in them.
func New(s Setting) (*Inquiry, error) {
	book, err := gateway.NewRulebook(s.Routes)
	if err != nil {
		return nil, err
	}
	book.HealthPath, book.Tokens = s.HealthPath, s.Tokens
	for _, r := range s.Routes {
		if r.Backend == nil {
			return nil, fmt.Errorf("the route %q has no backend that could be opened", r.Name())
		}
	}
	return &Inquiry{
		setting: s, book: book, witness: hearsay{},
		from: netip.MustParseAddr(DefaultFrom), heard: map[int]testimony{},
	}, nil
}

// By returns an inquiry by somebody at an address, whose requests name a host, which may
// be empty.
func (q Inquiry) By(who Claimant, from netip.Addr, host string) *Inquiry {
	q.who, q.from, q.host, q.heard = who, from, host, map[int]testimony{}
	return &q
}

// OnPage returns an inquiry about requests of a script on a page of that origin.
func (q Inquiry) OnPage(origin string) *Inquiry {
	q.origin = origin
	return &q
}

// AskLive has q ask the backends themselves who somebody is. The function password asks a
// person for the password, where a backend cannot say it otherwise.
func (q *Inquiry) AskLive(password func() (string, error)) {
	q.live, q.witness = true, inquirer{q.setting.Backends, password}
}

// anyHost is what a request names where no route asks for a host.
const anyHost = "localhost"

// hostFor returns the host that a request for target names. Without one in the
// question there has to be one that could be meant.
func (q *Inquiry) hostFor(target string) (string, error) {
	if q.host != "" || !strings.HasPrefix(target, "/") {
		return q.host, nil
	}
	found := []int{q.book.RouteFor(anyHost, target)}
	host, hosts := anyHost, []string(nil)
	for _, name := range q.hosts() {
		route := q.book.RouteFor(sampleHost(name), target)
		if slices.Contains(found, route) {
			continue
		}
		if found = append(found, route); found[0] < 0 {
			host = sampleHost(name)
		}
		hosts = append(hosts, name)
	}
	if len(hosts) == 0 || len(hosts) == 1 && found[0] < 0 {
		return host, nil
	}
	return "", HostError{hosts}
}

// HostError says that the answer depends on the host that a request names.
type HostError struct{ hosts []string }

// Error tells those who ask by a command what to do.
func (e HostError) Error() string {
	return e.Text("give --host")
}

// Text tells with advice what to do.
func (e HostError) Text(advice string) string {
	return fmt.Sprintf("the answer depends on the host that the request names: %s (%s)", advice, strings.Join(e.hosts, ", "))
}

// Sample returns a host that would do.
func (e HostError) Sample() string { return sampleHost(e.hosts[0]) }

// hosts returns the names that routes answer to, each once.
func (q *Inquiry) hosts() []string {
	var all []string
	for _, r := range q.setting.Routes {
		for _, name := range r.Hosts {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// root returns the root of the registry that operations are about: the usual one where
// a route that the host leads to has it, or else the first.
func (q *Inquiry) root() string {
	if q.registry != "" {
		return q.registry
	}
	first := oci.DefaultRoot
	for i, r := range q.setting.Routes {
		root := r.ForRules().RegistryRoot()
		if root == "" || q.host != "" && q.book.RouteFor(q.host, root) != i {
			continue
		}
		if root == oci.DefaultRoot {
			return root
		}
		if first == oci.DefaultRoot {
			first = root
		}
	}
	return first
}

// ask returns what becomes of a request.
func (q *Inquiry) ask(ctx context.Context, r Request) (Explanation, error) {
	if r.purpose != "" {
		r.target = q.root() + strings.TrimPrefix(r.target, oci.DefaultRoot)
	}
	host, err := q.hostFor(r.target)
	if err != nil {
		return Explanation{}, err
	}
	t, err := q.hear(ctx, q.book.RouteFor(host, r.target))
	if err != nil {
		return Explanation{}, err
	}
	var all []Explanation
	for _, who := range t.subjects {
		question := gateway.Question{Method: r.method, Target: r.target, Host: host, Source: q.from, Header: askedBy(q.origin), Who: who, Bearer: heardOf(q.who.Token, t), BackendDown: t.down}
		all = append(all, explanationOf(question, q.book.Explain(question)))
	}
	e := agreed(all)
	if t.unknown && e.Verdict == Login {
		e = e.undecided()
	}
	if t.barred {
		e.WouldAllow = slices.DeleteFunc(e.WouldAllow, func(way string) bool { return way == rules.LogIn })
	}
	e.Purpose = r.purpose
	e.Notes = append(e.Notes, notes(t.note, e.User.expiry())...)
	return e, nil
}

// askedBy returns the fields by which a browser says which page asks. The method is for
// the preflight alone.
func askedBy(origin string) http.Header {
	if origin == "" {
		return nil
	}
	return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {http.MethodGet}}
}

// hear finds out who asks on a route, once for each. A request that comes to no
// route is answered before anybody asks who it is from.
func (q *Inquiry) hear(ctx context.Context, route int) (testimony, error) {
	if route < 0 {
		return testimony{subjects: []rules.Subject{{Identity: backend.Identity{User: q.who.Name}}}}, nil
	}
	if t, ok := q.heard[route]; ok {
		return t, nil
	}
	r := q.setting.Routes[route]
	if q.live && len(q.heard) == 0 {
		q.setting.Backends.FindOut(ctx) // who cannot be asked fails below
	}
	w, name := q.witness, q.setting.Backends.BackendOf(route)
	inFiles := !q.live && !q.who.GroupsKnown && q.setting.Backends.InFiles(name)
	if inFiles {
		w = reader{}
	}
	on := routeBackend{name, r.Backend, r.Backends}
	if q.who.Token != nil {
		t := q.who.hearToken(ctx, q.live || inFiles, on)
		q.heard[route] = t
		return t, nil
	}
	t, err := q.who.hear(ctx, w, on)
	q.heard[route] = t
	return t, err
}

// AskAll returns what becomes of requests that a client makes one after the other.
func (q *Inquiry) AskAll(ctx context.Context, requests []Request) ([]Explanation, error) {
	var all []Explanation
	for _, r := range requests {
		e, err := q.ask(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) < 2 || requests[0].purpose != toLogIn || all[0].Verdict != Deny {
		return all, nil
	}
	aside, err := q.asksForLogin(ctx, requests[0])
	if err != nil || !aside {
		return all, err
	}
	all[0].Aside = true
	turn := &all[decidingIndex(all)]
	turn.Notes = append(turn.Notes, fmt.Sprintf(`"docker login" is refused: %s; clients that are given the password otherwise, as skopeo is by --creds, ask there without it`, all[0].decision()))
	return all, nil
}

// asksForLogin reports whether r is answered by 401 to somebody who has not logged in.
// At the root of a registry that is all that clients need before an operation: they ask
// there without a password, and send it with the requests that follow.
func (q *Inquiry) asksForLogin(ctx context.Context, r Request) (bool, error) {
	stranger := q.By(Claimant{}, q.from, q.host)
	stranger.witness, stranger.live = hearsay{}, false
	e, err := stranger.ask(ctx, r)
	return e.Verdict == Login, err
}

// Decisive returns the explanation that what was asked about turns on: the first
// request that does not pass, at which clients give up, or else the last, which is
// what the others were made for.
func Decisive(all []Explanation) Explanation { return all[decidingIndex(all)] }

func decidingIndex(all []Explanation) int {
	i := slices.IndexFunc(all, func(e Explanation) bool { return e.Verdict != Allow && !e.Aside })
	if i < 0 {
		i = len(all) - 1
	}
	return i
}

func notes(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// sampleHost returns a host that a name of a route stands for.
func sampleHost(name string) string { return strings.Replace(name, "*", "any", 1) }
