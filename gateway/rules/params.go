package rules

import "gatehouse/gateway/strict"

const (
	errParamMethod strict.Error = "query parameter that stands for another method, which nothing of a registry has; leave it out and send that method"
	errParamUpload strict.Error = "query parameter of an upload given twice or in another spelling; give each of mount, from, digest and _state once, spelled so"
)

// methodParams are the names by which frameworks read another method from the query,
// as their letters; see [sameLetters].
var methodParams = []string{"method", "httpmethod", "methodoverride", "httpmethodoverride", "xhttpmethod", "xmethodoverride", "xhttpmethodoverride"}

// uploadParams are what registries read of an upload, as their letters.
var uploadParams = []struct{ name, letters string }{{"mount", "mount"}, {"from", "from"}, {"digest", "digest"}, {"_state", "state"}}

// CheckParams refuses parameters of a request to a registry that some upstream takes
// for something else than what was judged. Elsewhere they are the upstream's own. The
// error may be sent to the client.
func (p *Policy) CheckParams(t strict.Target) error {
	if !t.HasQuery() || !p.AtRegistry(t.Path) {
		return nil
	}
	for name := range t.ParamNames() {
		for _, letters := range methodParams {
			if sameLetters(name, letters) {
				return errParamMethod
			}
		}
	}
	return checkUploadParams(t)
}

// checkUploadParams refuses a parameter of an upload that stands twice or in another
// spelling. Upstreams differ in which of two they read, and in what spellings.
func checkUploadParams(t strict.Target) error {
	for _, known := range uploadParams {
		seen := false
		for name := range t.ParamNames() {
			if !sameLetters(name, known.letters) || name == known.letters && name != known.name {
				continue // "state" by itself is another parameter than "_state"
			}
			if seen || name != known.name {
				return errParamUpload
			}
			seen = true
		}
	}
	return nil
}

// sameLetters reports whether name has these letters, in lower case, and no others,
// whatever stands between them: frameworks read "mount[]", ".mount" and "Mount" as
// mount.
func sameLetters(name, letters string) bool {
	n := 0
	for i := range len(name) {
		c := name[i] | 0x20
		if (c < 'a' || 'z' < c) && (c < '0' || '9' < c) {
			continue
		}
		if n == len(letters) || c != letters[n] {
			return false
		}
		n++
	}
	return n == len(letters)
}
