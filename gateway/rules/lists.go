package rules

import (
	"slices"

	"gatehouse/gateway/oci"
)

// PullDependsOnRepository reports whether a rule for pull is about some repositories and
// not about others. A list of all repositories then tells names that not everybody may
// know who may see the list.
func (p *Policy) PullDependsOnRepository() bool {
	return p.registry != "" && slices.ContainsFunc(p.rules, func(r rule) bool { return r.picksRepositories(p.manifests()) })
}

// NamesTags reports whether a rule for pull is about some tags and not about others.
func (p *Policy) NamesTags() bool { return p.namesTags }

func (p *Policy) findsTags() bool {
	return p.registry != "" && slices.ContainsFunc(p.rules, func(r rule) bool { return r.picksTags(p.manifests()) })
}

// manifests describes the paths of all manifests.
func (p *Policy) manifests() Pattern {
	return slices.Collect(segments(oci.Endpoint{Kind: oci.Manifest, Repository: anySegments, Reference: oneSegment}.Path(p.registry)))
}

func (r *rule) picksRepositories(manifests Pattern) bool {
	if r.actions != 0 {
		return r.actions&pullBit != 0 && len(r.repositories) > 0 && !coversAny(r.repositories, Pattern{anySegments})
	}
	return r.coversMethod(methodBit("GET")) && slices.ContainsFunc(r.paths, manifests.overlaps) &&
		!slices.ContainsFunc(r.paths, func(p Pattern) bool { return p.covers(manifests) })
}

func (r *rule) picksTags(manifests Pattern) bool {
	return r.coversMethod(methodBit("GET")) && slices.ContainsFunc(r.paths, func(p Pattern) bool {
		if len(p) == 0 {
			return false
		}
		last := p[len(p)-1]
		return last != oneSegment && last != anySegments && !oci.IsDigest(last) && manifests.overlaps(p)
	})
}

// overlaps reports whether some path is described by both.
func (p Pattern) overlaps(q Pattern) bool {
	switch {
	case len(p) > 0 && p[0] == anySegments:
		return p[1:].overlaps(q) || len(q) > 0 && p.overlaps(q[1:])
	case len(q) > 0 && q[0] == anySegments:
		return q.overlaps(p)
	case len(p) == 0 || len(q) == 0:
		return len(p) == len(q)
	}
	return (p[0] == q[0] || p[0] == oneSegment || q[0] == oneSegment) && p[1:].overlaps(q[1:])
}
