package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// answerTo returns what a client is told of a decision about its request, and nil
// where the request goes on. Whoever only foresees the answer uses it too.
func answerTo(req Request, who Subject, d Decision) *problem {
	switch d.Verdict {
	case Allowed:
		return nil
	case NeedsLogin:
		return unauthorized(nil)
	case NeedsGroups:
		return undecided(nil)
	}
	return denied(req, who, d)
}

// denied puts into one sentence who was refused what, and what is missing.
func denied(req Request, who Subject, d Decision) *problem {
	p := &problem{status: http.StatusForbidden, code: codeDenied, signed: true}
	action, repository := describe(req.Method, req.Path)
	name := "this request"
	if who.LoggedIn {
		name = who.Identity.User
	}
	p.message = strings.TrimSpace(name + " may not " + action + " " + repository)
	if d.Requires == "" {
		p.message += ": no rule allows it"
	} else {
		p.message += fmt.Sprintf(": rule %q needs %s", d.Rule, d.Requires)
	}
	p.detail = map[string]string{"rule": d.Rule, "requires": d.Requires, "action": action}
	if repository != "" {
		p.detail["repository"] = repository
	}
	return p
}

// endpointPattern matches what a path asks of a repository. Names may contain slashes
// and the words of the endpoints, so that the longest name counts: the endpoint is
// what stands at the end.
var endpointPattern = regexp.MustCompile(`\A/v2/(` + repositoryGrammar + `)/` +
	`(?:(tags/list|manifests/[^/]+|referrers/[^/]+|blobs/` + digestGrammar + `)|blobs/uploads(?:/[^/]*)?)/?\z`)

// describe puts what a request wants to do into words, for a refusal: "push to"
// and the repository, or words that stand alone.
func describe(method, path string) (action, repository string) {
	if strings.TrimSuffix(path, "/") == "/v2/_catalog" {
		return "list all repositories", ""
	}
	match := endpointPattern.FindStringSubmatch(path)
	if match == nil {
		return method + " " + path, ""
	}
	repository, content := match[1], match[2]
	if content == "" {
		return "push to", repository // GET and DELETE of an upload belong to it
	}
	switch method {
	case http.MethodGet, http.MethodHead:
		return "pull from", repository
	case http.MethodPut, http.MethodPost, http.MethodPatch:
		return "push to", repository
	case http.MethodDelete:
		return "delete from", repository
	}
	return method + " " + path, ""
}
