package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"gatehouse/gateway/listing"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// What a registry may be asked to list.
var (
	catalogKind = &listing.Kind{Key: "repositories", Valid: oci.IsRepository}
	tagsKind    = &listing.Kind{Key: "tags", Valid: oci.IsTag}
)

// defaultPage is how many names a client gets that does not say how many it wants.
const defaultPage = 100

// listKind returns which list the request is for, of which the user may not see all. It is
// nil for other requests.
func (x *exchange) listKind() *listing.Kind {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return nil
	}
	switch kind := x.endpoint().Kind; {
	case kind == oci.Catalog && (x.route.filtersCatalog || x.own.hides()):
		return catalogKind
	case kind == oci.Tags && x.route.policy.NamesTags():
		return tagsKind
	}
	return nil
}

// endpoint returns what of a registry the request is for.
func (x *exchange) endpoint() oci.Endpoint {
	if x.uploadOf != "" {
		return oci.Endpoint{Kind: oci.Upload, Repository: x.uploadOf}
	}
	return oci.Parse(x.root(), x.target.Path)
}

// forwardList answers with the part of the registry's list that the user may see. What the
// registry refuses is passed on as it is.
func (x *exchange) forwardList(kind *listing.Kind) *problem {
	ctx, cancel := x.within()
	defer cancel()
	r := x.listed(ctx, kind)
	defer r.memory.giveBack()
	page, n, err := r.page()
	if r.refusal != nil {
		defer r.refusal.Close()
		return x.passOn(r.refusal)
	}
	if err != nil {
		return x.listProblem(ctx, err)
	}
	return x.sendList(r, page, n)
}

// listed returns what asks the upstream for a list.
func (x *exchange) listed(ctx context.Context, kind *listing.Kind) *listedRegistry {
	policy := x.route.policy
	alone := x.site.door.router.takesAll(x.host, policy.Registry(), x.index)
	return &listedRegistry{x: x, ctx: ctx, kind: kind, memory: x.site.sites.held.lend(clientOf(x.who, x.from.addr)), alone: alone, pulls: policy.Pulls(x.from.addr, !alone)}
}

// listProblem says which status a failure to make a list is.
func (x *exchange) listProblem(ctx context.Context, err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, errHeldMemory):
		return noRoom(err)
	case errors.Is(err, listing.ErrList):
		return badGateway("the service behind the gateway gave something else than the list that was asked for", err)
	}
	return x.lateProblem(ctx, err)
}

// sendList sends a page, with the fields that the registry would send.
func (x *exchange) sendList(r *listedRegistry, page listing.Page, n int) *problem {
	h := x.w.Header()
	x.stamp(h)
	h["Content-Type"] = []string{r.contentType}
	h.Set("Cache-Control", "no-store") // it is for this user alone
	if page.More {
		h.Set("Link", fmt.Sprintf("<%s?n=%d&last=%s>; rel=\"next\"", strict.EscapePath(x.target.Path), n, url.QueryEscape(x.place(r, page))))
	}
	x.status = http.StatusOK
	x.answerHere(r.encode(page.Names))
	return nil
}

// encode returns the list as registries write it.
func (r *listedRegistry) encode(names []string) []byte {
	fields := map[string]any{r.kind.Key: append([]string{}, names...)} // an empty list is no null
	if r.kind == tagsKind {
		fields["name"] = r.x.endpoint().Repository
	}
	body, _ := json.Marshal(fields) // strings can always be written
	return append(body, '\n')
}

// place returns what the client is told of where the next page begins: the last name that
// it knows, or else a place that only the gateway can read.
func (x *exchange) place(r *listedRegistry, page listing.Page) string {
	if n := len(page.Names); n > 0 && page.Next == (listing.Position{After: page.Names[n-1]}) {
		return page.Next.After
	}
	return x.site.sites.places.Close(x.target.Path, page.Next)
}

// listedRegistry asks the upstream of an exchange for its list.
type listedRegistry struct {
	x      *exchange
	ctx    context.Context
	kind   *listing.Kind
	memory loan
	pulls  *rules.Pulls
	alone  bool // no other route takes anything of the registry

	contentType string             // of its first answer
	refusal     *upstream.Response // that is passed on, in place of a list
}

var errRefused = errors.New("the upstream refuses the list")

// page returns the page that the client asks for, and of how many names it may be.
func (r *listedRegistry) page() (listing.Page, int, error) {
	n, at, err := r.query()
	if err != nil {
		return listing.Page{}, 0, err
	}
	pager := listing.Pager{Kind: *r.kind, Registry: r, Shown: r.shown, Keep: r.memory.keep}
	page, err := pager.Page(n, at)
	return page, n, err
}

// query reads which page the client asks for. Of a number that is none, or not above
// zero, the registry says what it thinks, if it does not take it.
func (r *listedRegistry) query() (n int, at listing.Position, err error) {
	t := r.x.target
	for _, name := range []string{"n", "last"} {
		if t.CountQuery(name) > 1 {
			return 0, at, badRequest("the parameter " + name + " stands in the query more than once")
		}
	}
	n = defaultPage
	if text, ok := t.Query("n"); ok {
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			if err := r.offer(text); err != nil {
				return 0, at, err
			}
			n = defaultPage
		}
	}
	at, err = r.position()
	return n, at, err
}

// position reads where the page begins. A name that is hidden from the client, or that is
// none, is never asked for: what the registry makes of it might tell that there is one.
func (r *listedRegistry) position() (at listing.Position, err error) {
	last, _ := r.x.target.Query("last")
	switch {
	case last == "":
		return at, nil
	case listing.IsSealed(last):
		at, err = r.x.site.sites.places.Open(r.x.target.Path, last)
		if err != nil {
			err = badRequest(err.Error())
		}
		return at, err
	case !r.kind.Valid(last):
		return listing.Position{Floor: last}, nil
	}
	shown, err := r.shown(last)
	if err == nil && !shown {
		return listing.Position{Floor: last}, nil
	}
	return listing.Position{After: last}, err
}

// shown reports whether the user may pull what has that name. Whoever has not logged in
// sees what is for everybody. What another route takes is for its rules and its users, and
// is not shown.
func (r *listedRegistry) shown(name string) (bool, error) {
	x, q := r.x, r.pull(name)
	if !r.isForOwn(name) {
		return false, nil
	}
	if !r.alone && x.site.door.router.lookup(x.host, q.Path) != x.index {
		return false, nil
	}
	d, p := x.judge(q)
	switch {
	case p != nil && d.Verdict == rules.NeedsLogin && (len(x.r.Header["Authorization"]) == 0 || x.token.opened && x.token.IsAnonymous()):
		return false, nil
	case p != nil:
		return false, p
	}
	// Where anybody may ask for the list, it is only now known who does.
	return d.Verdict == rules.Allowed && r.isForOwn(name), nil
}

// isForOwn reports whether the token of an account that somebody came with lets its owner
// see that name. Nobody has come with one before a rule asked for a login.
func (r *listedRegistry) isForOwn(name string) bool {
	if r.kind == catalogKind {
		return r.x.own.allowsAction(name, oci.ListCatalog, &r.x.who)
	}
	return r.x.own.allowsAction(r.x.endpoint().Repository, oci.Pull, &r.x.who)
}

// pull returns the question of who pulls what has that name, which is valid.
func (r *listedRegistry) pull(name string) *rules.Question {
	if r.kind == tagsKind {
		return r.pulls.Of(r.x.endpoint().Repository, name)
	}
	return r.pulls.Of(name, "latest")
}

// request asks the upstream for a page of its list.
func (r *listedRegistry) request(n int, last string, each func(name string) error) (more bool, err error) {
	query := "n=" + strconv.Itoa(n)
	if last != "" {
		query += "&last=" + url.QueryEscape(last)
	}
	a, err := r.ask(query)
	if err != nil {
		return false, err
	}
	switch first := r.contentType == ""; {
	case a.Status == http.StatusBadRequest && n > listing.SmallPage:
		a.Close()
		return false, listing.ErrPageSize
	case a.Status >= http.StatusBadRequest && first:
		r.refusal = a // which the caller closes
		return false, errRefused
	case a.Status != http.StatusOK:
		a.Close()
		return false, fmt.Errorf("%w: it has the status %d", listing.ErrList, a.Status)
	}
	defer a.Close()
	if len(a.Header["Content-Encoding"]) > 0 {
		return false, fmt.Errorf("%w: it is encoded, unasked", listing.ErrList)
	}
	r.contentType = a.Header.Get("Content-Type")
	err = r.kind.Read(a, each)
	return hasNext(a.Header), err
}

// offer asks the registry for a page of a size that makes no sense. An error is what it
// thinks of that.
func (r *listedRegistry) offer(n string) error {
	a, err := r.ask("n=" + url.QueryEscape(n))
	switch {
	case err != nil:
		return err
	case a.Status >= http.StatusBadRequest:
		r.refusal = a
		return errRefused
	}
	a.Close()
	return nil
}

// ask sends a request for the list with that query.
func (r *listedRegistry) ask(query string) (*upstream.Response, error) {
	return r.x.ask(r.ctx, http.MethodGet, strict.EscapePath(r.x.target.Path)+"?"+query, nil, r.isKept())
}

// hasNext reports whether an answer says that another page follows it.
func hasNext(h http.Header) bool {
	for _, v := range h["Link"] {
		if bytes.Contains(bytes.ToLower([]byte(v)), []byte("next")) {
			return true
		}
	}
	return false
}
