package gateway

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// tokenRequest is what a client says that wants a token. What it may say is in the
// specifications "Token Authentication" and "OAuth2 Token Authentication" of the
// distribution project.
type tokenRequest struct {
	grant          string // by what right
	scopes         []string
	service        string
	account        string
	offline        bool   // a refresh token, too
	user, password string // in a form
	refresh        string // in a form
}

// maxTokenForm is the size of the largest form, of which the scopes take most.
const maxTokenForm = 16 << 10

// secretParams must not stand in a query: servers and proxies log that.
var secretParams = []string{"password", "username", "user", "refresh_token", "access_token", "client_secret", "token"}

// readTokenRequest reads what the client wants. A GET says it in the query and a POST in a
// form.
func (x *exchange) readTokenRequest() (ask tokenRequest, p *problem) {
	for name := range x.target.ParamNames() {
		if slices.Contains(secretParams, strings.ToLower(name)) {
			return ask, badRequest("a password or token stands in the query, where others log it: send it in the Authorization field, or in a form by POST")
		}
	}
	params := x.target
	if x.r.Method == http.MethodPost {
		if params, p = x.readForm(); p != nil {
			return ask, p
		}
	}
	for name := range params.ParamNames() {
		if name != "scope" && params.CountQuery(name) > 1 {
			return ask, badRequest("a parameter other than scope stands there more than once")
		}
	}
	ask.scopes = params.QueryValues("scope")
	ask.service, _ = params.Query("service")
	ask.account, _ = params.Query("account")
	ask.grant = grantAnonymous
	if len(x.r.Header["Authorization"]) > 0 {
		ask.grant = grantPassword
	}
	if x.r.Method == http.MethodPost {
		access, _ := params.Query("access_type")
		ask.offline = access == "offline"
		p = x.readGrant(params, &ask)
		return ask, p
	}
	offline, _ := params.Query("offline_token")
	ask.offline = offline == "true"
	return ask, nil
}

// readGrant reads by what right the client wants a token.
func (x *exchange) readGrant(form strict.Target, ask *tokenRequest) *problem {
	user, hasUser := form.Query("username")
	password, hasPassword := form.Query("password")
	refresh, hasRefresh := form.Query("refresh_token")
	switch grant, _ := form.Query("grant_type"); {
	case (hasUser || hasPassword || hasRefresh) && len(x.r.Header["Authorization"]) > 0:
		return badRequest("the request has credentials both in the Authorization field and in the form")
	case hasRefresh && (hasUser || hasPassword), hasRefresh != (grant == "refresh_token"):
		return badRequest("a form has either a user name and a password, or a refresh token with the grant_type refresh_token")
	case hasRefresh:
		ask.grant, ask.refresh = grantRefresh, refresh
		return nil
	case grant != "password":
		return badRequest("the form has no grant_type, or one that this gateway does not know: there are password and refresh_token")
	case !hasUser && !hasPassword:
		return nil
	}
	x.inForm, ask.grant = true, grantPassword
	var err error
	if ask.user, ask.password, err = strict.Credentials(user, password); err != nil {
		return unauthorized(fault.With("login.malformed", err))
	}
	return nil
}

// readForm reads the form in the body, whose fields are those of the target that it returns.
func (x *exchange) readForm() (form strict.Target, p *problem) {
	if baseType(x.r.Header.Get("Content-Type")) != "application/x-www-form-urlencoded" {
		return form, badRequest("a POST for a token has a form as its body, of the type application/x-www-form-urlencoded")
	}
	body, p := x.readSmallBody(maxTokenForm)
	if p != nil {
		return form, p
	}
	form, err := strict.ParseTarget("/?" + body) // which is how forms are encoded
	if err != nil {
		return form, badRequest("the form is not encoded as one, or has control characters in it")
	}
	return form, nil
}

// readSmallBody reads the whole body of the request, of no more than so many bytes.
func (x *exchange) readSmallBody(most int) (string, *problem) {
	tooLarge := &problem{status: http.StatusRequestEntityTooLarge, code: codeSize, fault: "request.too_large", message: fmt.Sprintf("the form is larger than %d KiB", most>>10), signed: true}
	switch {
	case x.upload == nil:
		return "", nil
	case x.r.ContentLength > int64(most):
		return "", tooLarge
	}
	memory := x.site.sites.held.lend(clientOf(x.who, x.from.addr))
	defer memory.giveBack()
	if err := memory.keep(most + 1); err != nil {
		return "", noRoom(err)
	}
	body := make([]byte, most+1)
	for n := 0; ; {
		more, err := x.upload.Read(body[n:])
		n += more
		switch {
		case n > most:
			return "", tooLarge
		case err == io.EOF, err == nil && x.upload.ended.Load():
			return string(body[:n]), nil
		case err != nil:
			return "", x.upstreamProblem(fmt.Errorf("%w: %w", upstream.ErrRequestBody, err))
		}
	}
}
