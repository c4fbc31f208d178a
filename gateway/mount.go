package gateway

import (
	"net/http"
	"regexp"
	"strings"
)

const (
	errMountFrom   parseError = "query parameter from: not a repository name"
	errMountDigest parseError = "query parameter mount: not a digest"
)

// Grammar of the OCI distribution specification, version 1.1.
const (
	repositoryName = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*`
	digest         = `[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+`
)

// endpoint matches what a path asks of a repository. Names may contain slashes and
// the words of the endpoints, so that the longest name counts: the endpoint is what
// stands at the end.
var (
	repositoryPattern = regexp.MustCompile(`\A` + repositoryName + `\z`)
	digestPattern     = regexp.MustCompile(`\A` + digest + `\z`)
	endpointPattern   = regexp.MustCompile(`\A/v2/(` + repositoryName + `)/` +
		`(?:(tags/list|manifests/[^/]+|referrers/[^/]+|blobs/` + digest + `)|blobs/uploads(?:/[^/]*)?)/?\z`)
)

// mount is the second half of a cross-repository mount.
type mount struct {
	// path is what the user must be allowed to GET for the mount to be carried
	// out: the blob in the repository that it comes from. Empty where nobody can
	// tell which repository that is. Without that right, the parameters "mount"
	// and "from" must be removed, and an ordinary upload begins.
	path string
}

// mountOf reports whether the request asks for a blob of another repository to be
// mounted, and which one. Only the repository in the path is guarded by the rules
// otherwise, and the blob of any other could be read by mounting it.
func mountOf(method string, t Target) (m mount, ok bool, err error) {
	if method != http.MethodPost || !startsUpload(t.Path) {
		return mount{}, false, nil
	}
	blob, hasMount := t.query("mount")
	from, hasFrom := t.query("from")
	switch {
	case !hasMount && !hasFrom:
		return mount{}, false, nil
	case !hasMount || !hasFrom:
		return mount{}, true, nil
	case !repositoryPattern.MatchString(from):
		return mount{}, false, errMountFrom
	case !digestPattern.MatchString(blob):
		return mount{}, false, errMountDigest
	}
	return mount{path: "/v2/" + from + "/blobs/" + blob}, true, nil
}

// startsUpload does not ask whether the name is a valid one: what an upstream takes
// for a name is guarded, whatever its grammar.
func startsUpload(path string) bool {
	name, ok := strings.CutPrefix(path, "/v2/")
	return ok && strings.HasSuffix(strings.TrimSuffix(name, "/"), "/blobs/uploads")
}

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
