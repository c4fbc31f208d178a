package rules

import (
	"gatehouse/gateway/oci"
	"gatehouse/gateway/strict"
)

const (
	errMountFrom   strict.Error = "query parameter from: not a repository name; name the repository without a tag, such as team/app"
	errMountDigest strict.Error = "query parameter mount: not a digest; give that of the layer, such as sha256: and 64 digits"
)

// maxMountSources bounds the work that one mount can cause.
const maxMountSources = 8

// Mount is the second half of a cross-repository mount.
type Mount struct {
	From string // the repository that the blob comes from; empty where nobody can tell

	// Sources are the paths of the blob in that repository, one for each root at
	// which a registry could read the path of the request. The user must be allowed
	// to GET all of them, and an empty list allows nothing. Else the parameters "mount"
	// and "from" are removed, and an ordinary upload begins.
	Sources []string
}

// MountOf reports whether the request asks for a blob of another repository to be
// mounted, and which one. Only the repository in the path is guarded by the rules
// otherwise, and the blob of any other could be read by mounting it. The method does
// not matter, and neither does the configuration: whatever an upstream might take
// for an upload is judged.
func MountOf(t strict.Target) (m Mount, ok bool, err error) {
	if !oci.IsUpload(t.Path) {
		return Mount{}, false, nil
	}
	blob, hasMount := t.Query("mount")
	from, hasFrom := t.Query("from")
	switch {
	case !hasMount && !hasFrom:
		return Mount{}, false, nil
	case !hasMount || !hasFrom:
		return Mount{}, true, nil
	case !oci.IsRepository(from):
		return Mount{}, false, errMountFrom
	case !oci.IsDigest(blob):
		return Mount{}, false, errMountDigest
	}
	m.From = from
	source := oci.Endpoint{Kind: oci.Blob, Repository: from, Reference: blob}
	for root := range oci.UploadRoots(t.Path) {
		if len(m.Sources) == maxMountSources {
			return Mount{}, true, nil
		}
		m.Sources = append(m.Sources, source.Path(root))
	}
	return m, true, nil
}
