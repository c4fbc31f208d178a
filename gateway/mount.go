package gateway

import (
	"net/http"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/strict"
)

const (
	errMountFrom   strict.Error = "query parameter from: not a repository name; name the repository without a tag, such as team/app"
	errMountDigest strict.Error = "query parameter mount: not a digest; give that of the layer, such as sha256: and 64 digits"
)

// maxMountSources bounds the work that one mount can cause.
const maxMountSources = 8

// mount is the second half of a cross-repository mount.
type mount struct {
	from string // the repository that the blob comes from; empty where nobody can tell

	// sources are the paths of the blob in that repository, one for each root at
	// which a registry could read the path of the request. The user must be allowed
	// to GET all of them, and an empty list allows nothing. Else the parameters "mount"
	// and "from" are removed, and an ordinary upload begins.
	sources []string
}

// mountOf reports whether the request asks for a blob of another repository to be
// mounted, and which one. Only the repository in the path is guarded by the rules
// otherwise, and the blob of any other could be read by mounting it. The method does
// not matter, and neither does the configuration: whatever an upstream might take
// for an upload is judged.
func mountOf(t strict.Target) (m mount, ok bool, err error) {
	if !oci.IsUpload(t.Path) {
		return mount{}, false, nil
	}
	blob, hasMount := t.Query("mount")
	from, hasFrom := t.Query("from")
	switch {
	case !hasMount && !hasFrom:
		return mount{}, false, nil
	case !hasMount || !hasFrom:
		return mount{}, true, nil
	case !oci.IsRepository(from):
		return mount{}, false, errMountFrom
	case !oci.IsDigest(blob):
		return mount{}, false, errMountDigest
	}
	m.from = from
	source := oci.Endpoint{Kind: oci.Blob, Repository: from, Reference: blob}
	for root := range oci.UploadRoots(t.Path) {
		if len(m.sources) == maxMountSources {
			return mount{}, true, nil
		}
		m.sources = append(m.sources, source.Path(root))
	}
	return m, true, nil
}

// guardMount judges the second repository of a cross-repository mount, of which
// the blob would become readable. Without the right to read it the upload begins
// as an ordinary one: a refusal would break the push of clients that try every
// repository they have ever seen.
func (x *exchange) guardMount() *problem {
	if p := x.route.policy.checkParams(x.target); p != nil {
		return p
	}
	m, ok, err := mountOf(x.target)
	switch {
	case err != nil:
		return badRequest(err.Error())
	case !ok:
		return nil
	}
	x.mountFrom = m.from
	allowed, p := x.mayMount(m)
	if p != nil {
		return p
	}
	if !allowed {
		x.mountFrom = ""
		x.target = x.target.WithoutQuery("mount", "from")
	}
	return nil
}

// judge returns what decide makes of a request to read the blob: the first answer that is
// not a yes, or the last. A source that goes another way than the request at e, or that
// nobody can tell, is denied.
func (m mount) judge(r *router, e *entry, decide func(source string) (Decision, *problem)) (d Decision, p *problem) {
	d.Verdict = Denied
	for _, source := range m.sources {
		if r.lookup(e.host, source) != e.index {
			return Decision{Verdict: Denied}, nil
		}
		if d, p = decide(source); p != nil || d.Verdict != Allowed {
			return d, p
		}
	}
	return d, nil
}

// mayMount reports whether the user may read the blob.
func (x *exchange) mayMount(m mount) (bool, *problem) {
	d, p := m.judge(x.site.door.router, &x.entry, func(source string) (Decision, *problem) {
		return x.judge(Request{Method: http.MethodGet, Path: source, Source: x.from.addr})
	})
	return p == nil && d.Verdict == Allowed, p
}
