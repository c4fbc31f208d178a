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
	repositoryGrammar = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*`
	digestGrammar     = `[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+`
)

var (
	repositoryPattern = regexp.MustCompile(`\A` + repositoryGrammar + `\z`)
	digestPattern     = regexp.MustCompile(`\A` + digestGrammar + `\z`)
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

// guardMount judges the second repository of a cross-repository mount, of which
// the blob would become readable. Without the right to read it the upload begins
// as an ordinary one: a refusal would break the push of clients that try every
// repository they have ever seen.
func (x *exchange) guardMount() *problem {
	m, ok, err := mountOf(x.r.Method, x.target)
	switch {
	case err != nil:
		return badRequest(err.Error())
	case !ok:
		return nil
	}
	allowed, p := x.mayMount(m)
	if p != nil {
		return p
	}
	if !allowed {
		x.target = x.target.withoutQuery("mount", "from")
	}
	return nil
}

func (x *exchange) mayMount(m mount) (bool, *problem) {
	if m.path == "" || x.site.routeFor(x.host, m.path) != x.route {
		return false, nil
	}
	d, p := x.judge(Request{Method: http.MethodGet, Path: m.path, Source: x.from.addr})
	return d.Verdict == Allowed, p
}
