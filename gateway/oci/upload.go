package oci

import (
	"iter"
	"strings"
)

// UploadRoots returns an iterator over the roots at which a registry would take path for
// that of an upload. Such a root ends with the segment "v2" and is followed by
// NAME/blobs/uploads or NAME/blobs/uploads/ID, whether NAME is valid or not. The roots of
// "/v2/a/v2/b/blobs/uploads/" are "/v2/" and "/v2/a/v2/".
func UploadRoots(path string) iter.Seq[string] {
	return func(yield func(root string) bool) {
		end := nameEnd(path)
		for i := 0; i < end; {
			j := strings.Index(path[i:end], "/"+version+"/")
			if j < 0 {
				return
			}
			i += j + len("/"+version)
			if i+1 < end && !yield(path[:i+1]) {
				return
			}
		}
	}
}

// IsUpload reports whether UploadRoots has any root of path.
func IsUpload(path string) bool {
	for range UploadRoots(path) {
		return true
	}
	return false
}

// nameEnd returns where the name ends in the path of an upload, and 0 in others.
func nameEnd(path string) int {
	path = strings.TrimSuffix(path, "/")
	if name, ok := strings.CutSuffix(path, "/blobs/uploads"); ok {
		return len(name)
	}
	before, _ := cutLast(path)
	if name, ok := strings.CutSuffix(before, "/blobs/uploads"); ok {
		return len(name)
	}
	return 0
}
