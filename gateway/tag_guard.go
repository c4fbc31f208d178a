package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// maxManifest is the size of the largest manifest that registries take.
const maxManifest = 4 << 20

// manifestTypes are all that a tag may lead to. Registries say that there is none where
// they have one of a type that is not accepted.
var manifestTypes = []string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.oci.artifact.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws",
	"application/vnd.docker.distribution.manifest.v1+json",
}

var errTagUnknown = fault.With("upstream.answer.tag", errors.New("the upstream does not say what an immutable tag leads to"))

// guardTag refuses what would change where an immutable tag leads to. A manifest for such a
// tag is held meanwhile. Of two pushes of a new tag at once both may pass: the registry
// alone could tell them apart.
func (x *exchange) guardTag() *problem {
	e := x.endpoint()
	compare, p := tagChange{x.decision.Rule, x.r.Method, e, x.target}.judge(x.route.policy)
	if p != nil || !compare {
		return p
	}
	if p := x.holdManifest(); p != nil {
		return p
	}
	return x.compareTag(e)
}

// tagChange is a request that a rule lets pass, and that may change a tag.
type tagChange struct {
	rule, method string
	endpoint     oci.Endpoint
	target       strict.Target
}

// judge returns what becomes of the request as far as the upstream need not be asked. It
// reports whether that has to be asked what the tag leads to.
func (c tagChange) judge(policy *rules.Policy) (compare bool, p *problem) {
	reads := c.method == http.MethodGet || c.method == http.MethodHead || c.method == http.MethodOptions
	if reads || c.endpoint.Kind != oci.Manifest || !policy.KeepsTags(c.rule) {
		return false, nil
	}
	puts := c.method == http.MethodPut
	if puts {
		p = checkTagParams(c.target)
	}
	switch {
	case p != nil || !policy.IsImmutable(c.rule, c.endpoint.Tag()):
		return false, p
	case c.method == http.MethodDelete:
		return false, immutable(c.endpoint, c.rule, "cannot be deleted")
	case !puts:
		return false, immutable(c.endpoint, c.rule, "cannot be changed")
	}
	return true, nil
}

// checkTagParams refuses parameters by which newer registries set tags beside what the path
// names.
func checkTagParams(t strict.Target) *problem {
	for name := range t.ParamNames() {
		if plain := strings.ToLower(name); strings.HasPrefix(plain, "tag") {
			return badRequest("the query of a push names tags, of which some are immutable: push each tag by itself")
		}
	}
	return nil
}

// immutable is what a client is told whose request would change a tag.
func immutable(e oci.Endpoint, rule, what string) *problem {
	return &problem{
		status: http.StatusForbidden, code: codeDenied, signed: true,
		message: fmt.Sprintf("the tag %s of %s is immutable and %s: use another tag", e.Reference, e.Repository, what),
		detail:  map[string]string{"rule": rule, "repository": e.Repository, "tag": e.Reference},
		cause:   fault.With("request.immutable_tag", fmt.Errorf("the rule lets the request pass, but the tag %s is immutable and %s", e.Reference, what)),
	}
}

// holdManifest reads the whole body of the request.
func (x *exchange) holdManifest() *problem {
	if x.upload == nil || x.r.ContentLength > maxManifest {
		return manifestSize(x.upload != nil)
	}
	x.heldLoan = x.site.sites.held.lend(clientOf(x.who, x.from.addr))
	piece := flow.Buffers.Get().(*[]byte)
	defer flow.Buffers.Put(piece)
	var held bytes.Buffer
	for {
		n, err := x.upload.Read(*piece)
		before := held.Cap()
		held.Write((*piece)[:n])
		if err := x.heldLoan.keep(held.Cap() - before); err != nil {
			return noRoom(err)
		}
		switch {
		case held.Len() > maxManifest:
			return manifestSize(true)
		case err == io.EOF, err == nil && x.upload.ended.Load():
			x.held = held.Bytes()
			return nil
		case err != nil:
			return x.upstreamProblem(fmt.Errorf("%w: %w", upstream.ErrRequestBody, err))
		}
	}
}

func manifestSize(large bool) *problem {
	if !large {
		return badRequest("the manifest is empty")
	}
	return &problem{status: http.StatusRequestEntityTooLarge, code: codeSize, fault: "request.manifest_too_large", message: "the manifest is larger than 4 MiB", signed: true}
}

// compareTag asks the upstream what the tag leads to. Only "there is none" and the same
// manifest are a yes.
func (x *exchange) compareTag(e oci.Endpoint) *problem {
	ctx, cancel := x.within()
	defer cancel()
	present, mediaType, found, err := x.tagOf(ctx)
	switch {
	case err != nil:
		return x.lateProblem(ctx, err)
	case !found:
		return nil
	case isDigestOf(present, x.held) && mediaType != "" && mediaType != baseType(x.r.Header.Get("Content-Type")):
		// By another type the same bytes may be another image.
		return immutable(e, x.decision.Rule, "has another media type")
	case isDigestOf(present, x.held):
		return nil
	case !oci.IsDigest(present):
		return unavailable("it cannot be found out whether the tag exists; please try again", errTagUnknown)
	}
	return immutable(e, x.decision.Rule, "leads to another image")
}

// tagOf returns the digest that the upstream says the tag leads to, and its media type.
func (x *exchange) tagOf(ctx context.Context) (digest, mediaType string, found bool, err error) {
	a, err := x.ask(ctx, http.MethodHead, strict.EscapePath(x.target.Path), manifestTypes, false)
	if err != nil {
		return "", "", false, err
	}
	defer a.Close()
	switch digests := a.Header["Docker-Content-Digest"]; {
	case a.Status == http.StatusNotFound:
		return "", "", false, nil
	case a.Status == http.StatusOK && len(digests) == 1:
		return digests[0], baseType(a.Header.Get("Content-Type")), true, nil
	}
	return "", "", true, nil
}

// baseType returns a media type without its parameters.
func baseType(text string) string {
	name, _, _ := strings.Cut(text, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// isDigestOf reports whether digest is that of body, by an algorithm that registries use.
func isDigestOf(digest string, body []byte) bool {
	algorithm, want, _ := strings.Cut(digest, ":")
	var h hash.Hash
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	default:
		return false
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)) == want
}
