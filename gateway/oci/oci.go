// Package oci reads the paths of registries: the endpoints of the OCI distribution
// specification, version 1.1, and nothing else. Rules, guards, logs and commands
// all ask here what a path is about, so that no two of them differ.
//
// It takes paths that are decoded and canonical: without empty segments but
// perhaps the last, and without "." and "..". It allocates nothing.
package oci

import (
	"net/http"
	"strings"
)

// DefaultRoot is the root of a registry that is not told to have another. Clients
// that are given the name of a host ask for no other.
const DefaultRoot = "/v2/"

// version is the segment that the root of every registry ends with.
const version = "v2"

// Kind tells the endpoints apart.
type Kind uint8

// The endpoints below the root of a registry. In these NAME is a repository, and
// the last segment of a path may be followed by a slash.
const (
	None      Kind = iota // no endpoint
	Base                  // the root itself, where clients log in
	Catalog               // _catalog
	Manifest              // NAME/manifests/REFERENCE
	Blob                  // NAME/blobs/DIGEST
	Uploads               // NAME/blobs/uploads/, where an upload begins
	Upload                // NAME/blobs/uploads/ID, one that has begun
	Tags                  // NAME/tags/list
	Referrers             // NAME/referrers/DIGEST
	Extension             // _extension[/...] or NAME/_extension/component[/...]
)

// Endpoint is what a path of a registry is about.
type Endpoint struct {
	Kind       Kind
	Repository string // valid by the grammar; empty where the path names none

	// Reference is the tag or digest of a manifest, the digest of a blob, the ID
	// of an upload, or what an extension is asked for, from its underscore on. It
	// is what stands there: whether there is such a tag is the registry's to know.
	Reference string
}

// Parse returns what path is about at the registry with that root, which begins and
// ends with a slash. Names of repositories may have slashes and the words of the
// endpoints in them, so that the longest name counts: "/v2/a/manifests/b/manifests/c"
// is c of the repository a/manifests/b. Without a root nothing is an endpoint.
func Parse(root, path string) Endpoint {
	rest, ok := Below(root, path)
	if !ok {
		return Endpoint{}
	}
	rest = strings.TrimSuffix(rest, "/")
	switch rest {
	case "":
		return Endpoint{Kind: Base}
	case "_catalog":
		return Endpoint{Kind: Catalog}
	}
	if e := content(rest); e.Kind != None && IsRepository(e.Repository) {
		return e
	}
	return extension(rest)
}

// IsRoot reports whether path may be the root of a registry.
func IsRoot(path string) bool {
	return path == DefaultRoot || strings.HasPrefix(path, "/") && strings.HasSuffix(path, "/"+version+"/")
}

// Below returns what follows the root in path, and reports whether path is the root
// or below it. The slash at the end of the root may be missing.
func Below(root, path string) (rest string, ok bool) {
	switch {
	case root == "":
		return "", false
	case path == root[:len(root)-1]:
		return "", true
	}
	return strings.CutPrefix(path, root)
}

// content reads an endpoint of a repository from its end. The words of an endpoint
// leave no choice of where the name ends, so that this is the longest name.
func content(rest string) Endpoint {
	before, last := cutLast(rest)
	name, word := cutLast(before)
	switch word {
	case "manifests":
		return Endpoint{Manifest, name, last}
	case "referrers":
		return Endpoint{Referrers, name, last}
	case "tags":
		if last == "list" {
			return Endpoint{Tags, name, ""}
		}
	case "blobs":
		if last == "uploads" {
			return Endpoint{Uploads, name, ""}
		}
		return Endpoint{Blob, name, last}
	case "uploads":
		if name, word = cutLast(name); word == "blobs" {
			return Endpoint{Upload, name, last}
		}
	}
	return Endpoint{}
}

// cutLast cuts the last segment off a path.
func cutLast(path string) (before, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// extension reads an endpoint of an extension, which has the first segment that
// begins with an underscore: no segment of a name does.
func extension(rest string) Endpoint {
	name, reference := "", rest
	if rest[0] != '_' {
		i := strings.Index(rest, "/_")
		if i < 0 {
			return Endpoint{}
		}
		name, reference = rest[:i], rest[i+1:]
	}
	word, component, _ := strings.Cut(reference, "/")
	if len(word) < len("_x") || name != "" && (component == "" || !IsRepository(name)) {
		return Endpoint{}
	}
	return Endpoint{Extension, name, reference}
}

// IsSpecified reports whether e is an endpoint that the specification describes. What
// else a registry has, an extension or a page of its own, is known to that registry alone.
func (e Endpoint) IsSpecified() bool { return e.Kind != None && e.Kind != Extension }

// Path returns a path below the root that [Parse] reads as e. It is the only function of
// this package that allocates by itself.
func (e Endpoint) Path(root string) string {
	var b strings.Builder
	b.Grow(e.PathSize(root))
	e.WritePath(&b, root)
	return b.String()
}

// PathSize returns how much room [Endpoint.WritePath] needs at most.
func (e Endpoint) PathSize(root string) int {
	return len(root) + len(e.Repository) + len("/blobs/uploads/") + len(e.Reference)
}

// WritePath writes to b what [Endpoint.Path] returns.
func (e Endpoint) WritePath(b *strings.Builder, root string) {
	if e.Kind == None {
		return
	}
	b.WriteString(root)
	b.WriteString(e.Repository)
	switch e.Kind {
	case Catalog:
		b.WriteString("_catalog")
	case Manifest:
		b.WriteString("/manifests/")
	case Blob:
		b.WriteString("/blobs/")
	case Uploads, Upload:
		b.WriteString("/blobs/uploads/")
	case Tags:
		b.WriteString("/tags/list")
	case Referrers:
		b.WriteString("/referrers/")
	case Extension:
		if e.Repository != "" {
			b.WriteByte('/')
		}
	}
	b.WriteString(e.Reference)
}

// Digest returns the digest that e names, and an empty text if it names none.
func (e Endpoint) Digest() string {
	if e.hasContent() && IsDigest(e.Reference) {
		return e.Reference
	}
	return ""
}

// Tag returns what e names that is no digest, if it is about a manifest.
func (e Endpoint) Tag() string {
	if e.Kind == Manifest && !IsDigest(e.Reference) {
		return e.Reference
	}
	return ""
}

// hasContent reports whether the reference of e is one of content.
func (e Endpoint) hasContent() bool {
	return e.Kind == Manifest || e.Kind == Blob || e.Kind == Referrers
}

// Action is what a request does to a registry, in one word.
type Action string

// What requests do.
const (
	NoAction    Action = ""          // nothing that the specification knows
	Login       Action = "login"     // try credentials
	ListCatalog Action = "catalog"   // list all repositories
	Pull        Action = "pull"      // read of a repository, also its lists
	Push        Action = "push"      // write to it; everything about an upload belongs to it
	Delete      Action = "delete"    // delete from it
	Extend      Action = "extension" // ask an extension for whatever it has
)

// Action returns what a request of that method does at e. It is NoAction where the
// specification has no such request.
func (e Endpoint) Action(method string) Action {
	reads := method == http.MethodGet || method == http.MethodHead
	switch e.Kind {
	case Base:
		return when(reads, Login)
	case Catalog:
		return when(reads, ListCatalog)
	case Tags, Referrers:
		return when(reads, Pull)
	case Uploads:
		return when(method == http.MethodPost, Push)
	case Upload:
		return when(reads || method == http.MethodPatch || method == http.MethodPut || method == http.MethodDelete, Push)
	case Extension:
		return Extend
	case Manifest, Blob:
		switch {
		case reads:
			return Pull
		case method == http.MethodDelete:
			return Delete
		}
		return when(e.Kind == Manifest && method == http.MethodPut, Push)
	}
	return NoAction
}

// when returns a where ok, and NoAction otherwise.
func when(ok bool, a Action) Action {
	if ok {
		return a
	}
	return NoAction
}
