package oci

import "strings"

// UploadRoots calls yield with each root at which a registry would take path for
// that of an upload: one that ends with the segment "v2" and is followed by
// NAME/blobs/uploads or NAME/blobs/uploads/ID. Whatever an upstream might take for a
// name counts, valid or not. Of "/v2/a/v2/b/blobs/uploads/" these are "/v2/" and
// "/v2/a/v2/". A function of this form is an iter.Seq[string].
func UploadRoots(path string) func(yield func(root string) bool) {
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
