package gateway

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/selfservice"
	"gatehouse/gateway/strict"
)

// newPage returns the page on which users make tokens, nil if there is none.
func newPage(t *Tokens) (*selfservice.Page, error) {
	switch {
	case t == nil || t.SelfService == "":
		return nil, nil
	case t.Own == nil:
		return nil, errors.New("the page on which users make tokens needs a store for them")
	}
	return selfservice.New(t.SelfService, t.Own), nil
}

// pageRoute returns the index of the route at a host with whose backend users log in to the
// page: of those that take tokens, the one that docker login finds there, or else the one
// with the shortest path. It is -1 if there is none.
func (d *door) pageRoute(host string) int {
	if i := d.router.lookup(host, oci.DefaultRoot); i >= 0 && d.takesTokens[i] {
		return i
	}
	found, shortest := -1, ""
	for p := range d.router.places(host) {
		if d.takesTokens[p.index] && (found < 0 || len(p.path) < len(shortest)) {
			found, shortest = p.index, p.path
		}
	}
	return found
}

// Errors about requests to the page.
var (
	errTokenAtPage = fault.With("token.page.token", errors.New("somebody came with a token to the page on which tokens are made"))
	errCrossSite   = fault.With("token.page.cross_site", errors.New("the form came from a page of another site"))
)

// answerPage answers a request to the page on which users make tokens, where it is one. No
// rule is asked: whoever can log in with a password may have tokens, which can do no more
// than that user.
func (x *exchange) answerPage() *problem {
	if x.pageAt == nil {
		return nil
	}
	if p := checkPageRequest(x.r, &x.entry); p != nil {
		return p
	}
	if p := x.loginAtPage(); p != nil {
		return p
	}
	form, p := x.readPageForm()
	if p != nil {
		return p
	}
	if p := x.promiseAudit(); p != nil {
		return p
	}
	page := x.site.page
	a, err := page.Answer(x.ctx, selfservice.Request{
		Place: *x.pageAt, Post: x.r.Method == http.MethodPost, Form: form, Who: x.who.Identity,
		Host: askedHost(x.r, &x.entry), ID: x.id, HTML: selfservice.WantsHTML(x.r.Header["Accept"]),
	})
	if err != nil {
		return pageProblem(err)
	}
	if a.Did != "" {
		x.ownToken = a.Token
		x.site.log.Info("a token was "+a.Did+" on the page", "id", x.id, "user", x.who.Identity.User, "backend", x.who.Identity.Source, "token", a.Token)
	}
	x.sendPage(a)
	return nil
}

// checkPageRequest refuses what no user has meant, before anybody logs in: a browser adds the
// password that it remembers to what a page of another site sends.
func checkPageRequest(r *http.Request, e *entry) *problem {
	if !e.pageAt.Has(r.Method) {
		return &problem{status: http.StatusMethodNotAllowed, code: codeUnsupported, fault: "request.unsupported", allow: strings.Join(e.pageAt.Methods(), ", "), message: "there is nothing here for this method"}
	}
	if e.target.HasQuery() {
		return badRequest("the page takes no parameters in its address, which others log")
	}
	sent := &http.Request{Method: r.Method, Host: askedHost(r, e), Header: r.Header}
	if err := new(http.CrossOriginProtection).Check(sent); err != nil {
		return &problem{status: http.StatusForbidden, code: codeDenied, cause: errCrossSite, message: "the form was sent by a page of another site, and nothing was done: open the page for tokens itself", signed: true}
	}
	return nil
}

// askedHost returns the host that the client asked, with its port. Only a proxy that is
// trusted is believed that it was another one than the request names.
func askedHost(r *http.Request, e *entry) string { return cmp.Or(e.from.host, r.Host, e.host) }

// loginAtPage finds out who the user is, by a password. A token cannot make tokens: whoever
// has found one would have it for ever.
func (x *exchange) loginAtPage() *problem {
	defer func(begin time.Time) { x.loginTook += time.Since(begin) }(time.Now())
	header := x.r.Header["Authorization"]
	if len(header) == 0 {
		return unauthorized(nil)
	}
	if _, ok := strict.CutBearer(header[0]); ok {
		return x.refuseTokenAtPage()
	}
	user, password, err := strict.ParseBasic(header[0])
	if err != nil {
		return unauthorized(fault.With("login.malformed", err))
	}
	if x.claim(user); isOwnSecret(password) {
		return x.refuseTokenAtPage()
	}
	return x.loginByPassword(user, password)
}

// refuseTokenAtPage refuses whoever comes with a token, good or not, and counts it among the
// logins that fail.
func (x *exchange) refuseTokenAtPage() *problem {
	if p := x.failLogin(errTokenAtPage); p.status != http.StatusUnauthorized {
		return p
	}
	return tokenAtPage()
}

func tokenAtPage() *problem {
	return &problem{status: http.StatusForbidden, code: codeDenied, cause: errTokenAtPage, message: "a token cannot make, list or end tokens: log in with the password", signed: true}
}

// readPageForm returns the fields of the form that was sent. A button alone sends none.
func (x *exchange) readPageForm() (map[string][]string, *problem) {
	if x.r.Method != http.MethodPost || x.upload == nil {
		return nil, nil
	}
	sent, p := x.readForm()
	if p != nil {
		return nil, p
	}
	form := map[string][]string{}
	for name := range sent.ParamNames() {
		form[name] = sent.QueryValues(name)
	}
	return form, nil
}

// codeConflict is the code of what cannot be done because of what there is already.
const codeConflict = "CONFLICT"

// pageProblem returns the answer to a request that the page does not carry out. Whatever is
// no refusal is an outage of the store, of which nothing is shown.
func pageProblem(err error) *problem {
	var r *selfservice.Refusal
	if !errors.As(err, &r) {
		return unavailable("tokens cannot be looked at or changed at the moment; please try again", err)
	}
	p := badRequest(r.Message)
	p.fault = "token.page.form"
	switch r.Why {
	case selfservice.Conflict:
		p = &problem{status: http.StatusConflict, code: codeConflict, fault: "token.page.conflict", message: r.Message}
	case selfservice.Unknown:
		p = &problem{status: http.StatusNotFound, code: codeNotFound, fault: "token.page.unknown", message: r.Message}
	case selfservice.Ineligible:
		p = &problem{status: http.StatusForbidden, code: codeDenied, fault: "token.page.no_anchor", message: r.Message}
	}
	p.detail, p.page = r.Fields, r.HTML
	return p
}

// sendPage answers with the page.
func (x *exchange) sendPage(a selfservice.Answer) {
	x.answered, x.status = true, a.Status
	x.endIfUnread()
	h := x.w.Header()
	x.stamp(h)
	x.site.page.SetHeader(h, selfservice.WantsHTML(x.r.Header["Accept"]))
	if a.Location != "" {
		h.Set("Location", a.Location)
	}
	x.answerHere(a.Body)
}

// refusalAtPage returns the body of a refusal at the page: for a browser a page, too.
func (x *exchange) refusalAtPage(h http.Header, p *problem) []byte {
	page, html := x.site.page, selfservice.WantsHTML(x.r.Header["Accept"])
	page.SetHeader(h, html)
	switch {
	case !html:
		return p.body(x.id)
	case p.page != nil:
		return p.page
	case p.signed:
		return page.RefusalPage(p.message + " (id " + x.id + ")")
	}
	return page.RefusalPage(p.message)
}
