package rules

import (
	"net/http"
	"net/netip"
	"slices"

	"gatehouse/gateway/oci"
)

// LetsInStrangers reports whether some rule about the registry lets in whoever has not
// logged in and comes from that address.
func (p *Policy) LetsInStrangers(source netip.Addr) bool {
	for i := range p.rules {
		r := &p.rules[i]
		open := p.concernsRegistry(r) && (source.IsValid() || !r.usesIP) && !r.templates &&
			r.require.eval(Request{Source: source}, Subject{}) == Allowed
		if open && len(p.hiddenBy(i)) == 0 {
			return true
		}
	}
	return false
}

// Samples returns requests that do an action in a repository of the registry: one of each
// sort that rules can tell apart. Where none of them may pass, no such request may. Without
// a repository the action is [oci.ListCatalog].
func (p *Policy) Samples(repository string, action oci.Action, source netip.Addr) []Request {
	var all []Request
	add := func(method string, kind oci.Kind, reference string) {
		path := oci.Endpoint{Kind: kind, Repository: repository, Reference: reference}.Path(p.registry)
		all = append(all, Request{Method: method, Path: path, Source: source})
	}
	manifests, others := map[oci.Action]string{oci.Pull: http.MethodGet, oci.Push: http.MethodPut, oci.Delete: http.MethodDelete}, []string{sampleDigest}
	references := append(p.namedReferences(), "latest", sampleDigest)
	if method := manifests[action]; method != "" {
		for _, reference := range references {
			add(method, oci.Manifest, reference)
		}
	}
	for _, reference := range references {
		if oci.IsDigest(reference) && reference != sampleDigest {
			others = append(others, reference)
		}
	}
	switch action {
	case oci.ListCatalog:
		add(http.MethodGet, oci.Catalog, "")
	case oci.Push:
		add(http.MethodPost, oci.Uploads, "")
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			add(method, oci.Upload, "sample")
		}
	case oci.Pull:
		add(http.MethodGet, oci.Tags, "")
		for _, digest := range others {
			add(http.MethodGet, oci.Referrers, digest)
			add(http.MethodGet, oci.Blob, digest)
		}
	case oci.Delete:
		for _, digest := range others {
			add(http.MethodDelete, oci.Blob, digest)
		}
	}
	return all
}

// namedReferences returns the tags and digests that rules name.
func (p *Policy) namedReferences() []string {
	var names []string
	for i := range p.rules {
		for _, path := range p.rules[i].paths {
			if len(path) == 0 {
				continue
			}
			last := path[len(path)-1]
			if (oci.IsTag(last) || oci.IsDigest(last)) && !slices.Contains(names, last) {
				names = append(names, last)
			}
		}
	}
	return names
}
