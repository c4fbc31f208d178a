package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// Request is a request that is asked about.
type Request struct {
	method, target string
	purpose        string // what a client makes it for, empty if it was asked about by itself
}

// toLogIn is the purpose of the request by which clients log in.
const toLogIn = "log in"

// What stands in requests for what only the client and the registry know.
const (
	sampleDigest = "sha256:DIGEST"
	sampleUpload = "UPLOAD"
)

// operations are what people do with a registry, each with the requests that its
// clients make for it, in their order. In these R is the repository, T the tag or
// digest and M the repository that a blob is mounted from.
//
// Clients differ: docker and skopeo begin with /v2/, containerd and oras with the
// thing itself; docker uploads by PATCH, containerd by PUT alone; only skopeo and
// regctl cancel uploads. Whoever may make all of these can use any client.
var operations = []struct {
	verb     string
	requests []Request
}{
	{"login", []Request{
		{"GET", "/v2/", toLogIn},
	}},
	{"pull", []Request{
		{"GET", "/v2/", toLogIn},
		{"HEAD", "/v2/R/manifests/T", "find the image"},
		{"GET", "/v2/R/manifests/T", "read its manifest"},
		{"GET", "/v2/R/manifests/" + sampleDigest, "read the manifest of one platform"},
		{"HEAD", "/v2/R/blobs/" + sampleDigest, "find a layer"},
		{"GET", "/v2/R/blobs/" + sampleDigest, "read it"},
	}},
	{"push", []Request{
		{"GET", "/v2/", toLogIn},
		{"HEAD", "/v2/R/manifests/T", "see what is there"},
		{"HEAD", "/v2/R/blobs/" + sampleDigest, "see whether a layer is there"},
		{"POST", "/v2/R/blobs/uploads/", "begin to upload it"},
		{"POST", "/v2/R/blobs/uploads/?mount=" + sampleDigest + "&from=M", "or take it from another repository"},
		{"PATCH", "/v2/R/blobs/uploads/" + sampleUpload, "send it"},
		{"PUT", "/v2/R/blobs/uploads/" + sampleUpload + "?digest=" + sampleDigest, "end the upload"},
		{"PUT", "/v2/R/manifests/T", "write the manifest"},
	}},
	{"delete", []Request{
		{"GET", "/v2/", toLogIn},
		{"HEAD", "/v2/R/manifests/T", "find the image"},
		{"GET", "/v2/R/manifests/T", "read its manifest"},
		{"DELETE", "/v2/R/manifests/" + sampleDigest, "delete it, by its digest"},
	}},
	{"tags", []Request{
		{"GET", "/v2/", toLogIn},
		{"GET", "/v2/R/tags/list", "list the tags"},
	}},
	{"catalog", []Request{
		{"GET", "/v2/", toLogIn},
		{"GET", "/v2/_catalog", "list all repositories"},
	}},
}

// Verbs returns the names of all operations.
func Verbs() []string {
	var list []string
	for _, o := range operations {
		list = append(list, o.verb)
	}
	return list
}

// Plan returns the requests that words are about: a method and a target,
// or an operation and what it is done to, REPO[:TAG] or REPO@DIGEST. A push may
// take layers from the repository mountFrom.
func Plan(words []string, mountFrom string) ([]Request, error) {
	first := words[0]
	i := slices.Index(Verbs(), first)
	switch {
	case i >= 0:
		return planOperation(i, words[1:], mountFrom)
	case first != strings.ToUpper(first) || len(words) == 1 && !strings.HasPrefix(first, "/"):
		return nil, fmt.Errorf("%q is nothing that can be asked about: write a METHOD in upper case and a path, or one of %s", first, strings.Join(Verbs(), ", "))
	case len(words) != 2:
		return nil, errors.New("write a METHOD and a path, such as PUT /v2/team/app/manifests/1")
	}
	return []Request{{method: first, target: words[1]}}, nil
}

func planOperation(i int, words []string, mountFrom string) ([]Request, error) {
	o := operations[i]
	needsName := slices.ContainsFunc(o.requests, func(r Request) bool { return strings.Contains(r.target, "/R/") })
	switch {
	case needsName && len(words) != 1:
		return nil, fmt.Errorf("%s what? write a repository, such as %s team/app:1", o.verb, o.verb)
	case !needsName && len(words) != 0:
		return nil, fmt.Errorf("%s is about the whole registry: name no repository", o.verb)
	case !needsName:
		return o.requests, nil
	}
	repository, reference := splitReference(words[0])
	names := []string{repository}
	if mountFrom != "" {
		names = append(names, mountFrom)
	}
	for _, name := range names {
		if !oci.IsRepository(name) {
			return nil, fmt.Errorf("%q is not the name of a repository: write it in lower case and without the registry's host, such as team/app", name)
		}
	}
	return fillIn(o.requests, repository, reference, mountFrom), nil
}

// fillIn returns requests with names in place of R, T and M. Without a repository
// to mount from, a client leaves that to the registry.
func fillIn(requests []Request, repository, reference, mountFrom string) []Request {
	from := ""
	if mountFrom != "" {
		from = "&from=" + mountFrom
	}
	names := strings.NewReplacer("/R/", "/"+repository+"/", "manifests/T", "manifests/"+reference, "&from=M", from)
	filled := slices.Clone(requests)
	for i := range filled {
		filled[i].target = names.Replace(filled[i].target)
	}
	return filled
}

// splitReference takes REPO:TAG or REPO@DIGEST apart. The tag is latest where none
// is given, as clients have it.
func splitReference(text string) (repository, reference string) {
	if repository, digest, ok := strings.Cut(text, "@"); ok {
		return repository, digest
	}
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') {
		return text[:i], text[i+1:]
	}
	return text, "latest"
}
