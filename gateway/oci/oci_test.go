package oci

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

const digest = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"

// endpoints are paths below a root, without it.
var endpoints = map[string]Endpoint{
	"":                                      {Kind: Base},
	"_catalog":                              {Kind: Catalog},
	"_catalog/":                             {Kind: Catalog},
	"app/manifests/1.0":                     {Manifest, "app", "1.0"},
	"team/app/manifests/" + digest:          {Manifest, "team/app", digest},
	"app/manifests/1.0/":                    {Manifest, "app", "1.0"},
	"app/blobs/" + digest:                   {Blob, "app", digest},
	"app/blobs/latest":                      {Blob, "app", "latest"},
	"app/blobs/uploads":                     {Uploads, "app", ""},
	"app/blobs/uploads/":                    {Uploads, "app", ""},
	"app/blobs/uploads/0b2c":                {Upload, "app", "0b2c"},
	"app/tags/list":                         {Tags, "app", ""},
	"app/referrers/" + digest:               {Referrers, "app", digest},
	"_oci/ext/discover":                     {Extension, "", "_oci/ext/discover"},
	"_oci/ext":                              {Extension, "", "_oci/ext"},
	"app/_trust/tuf/root.json":              {Extension, "app", "_trust/tuf/root.json"},
	"app/_trust/blobs/uploads/1":            {Extension, "app", "_trust/blobs/uploads/1"},
	"a/manifests/b/manifests/c":             {Manifest, "a/manifests/b", "c"},
	"a/blobs/uploads/tags/list":             {Tags, "a/blobs/uploads", ""},
	"a/blobs/uploads/manifests/1":           {Manifest, "a/blobs/uploads", "1"},
	"a/blobs/uploads/manifests":             {Upload, "a", "manifests"},
	"a/manifests/b/blobs/uploads/":          {Uploads, "a/manifests/b", ""},
	"a/manifests/blobs/uploads/":            {Uploads, "a/manifests", ""},
	"a/manifests/blobs":                     {Manifest, "a", "blobs"},
	"team/manifests/app/blobs/" + digest:    {Blob, "team/manifests/app", digest},
	"blobs/uploads/blobs/uploads":           {Uploads, "blobs/uploads", ""},
	"manifests/manifests/manifests":         {Manifest, "manifests", "manifests"},
	"tags/list/tags/list":                   {Tags, "tags/list", ""},
	"uploads/blobs/uploads/uploads":         {Upload, "uploads", "uploads"},
	"v2/blobs/uploads/":                     {Uploads, "v2", ""},
	"manifests/1":                           {},
	"blobs/uploads/":                        {},
	"blobs/uploads/1":                       {},
	"tags/list":                             {},
	"app":                                   {},
	"app/tags":                              {},
	"app/tags/all":                          {},
	"app/manifests":                         {},
	"app/uploads/1":                         {},
	"APP/tags/list":                         {},
	"a..b/tags/list":                        {},
	"_app/manifests":                        {Extension, "", "_app/manifests"},
	"_catalog/more":                         {Extension, "", "_catalog/more"},
	"_/x":                                   {},
	"_oci":                                  {Extension, "", "_oci"},
	"_catalogue":                            {Extension, "", "_catalogue"},
	"_":                                     {},
	"app/_oci":                              {},
	"APP/_oci/ext":                          {},
	"app/manifests/1\nx/tags":               {},
	"a_b/manifests/sha256:no hash":          {Manifest, "a_b", "sha256:no hash"},
	"app/_catalog":                          {},
	"sample/_x/y/manifests/1":               {Extension, "sample", "_x/y/manifests/1"},
	"a.b_c__d---e/0/manifests/1":            {Manifest, "a.b_c__d---e/0", "1"},
	strings.Repeat("a/", 200) + "tags/list": {Tags, strings.Repeat("a/", 199) + "a", ""},
}

func TestPathsOfARegistry(t *testing.T) {
	for rest, want := range endpoints {
		for _, root := range []string{"/v2/", "/nexus/repository/v2/", "/v2/v2/"} {
			if got := Parse(root, root+rest); got != want {
				t.Errorf("Parse(%q, %q) = %+v, want %+v", root, root+rest, got, want)
			}
		}
	}
}

func TestWhatIsNotBelowTheRootIsNoEndpoint(t *testing.T) {
	for _, tt := range [][2]string{
		{"", "/v2/"}, {"", "/v2/app/tags/list"}, {"/v2/", "/v2x/app/tags/list"}, {"/v2/", "/"}, {"/v2/", ""}, {"/v2/", "/V2/app/tags/list"},
		{"/x/v2/", "/v2/app/tags/list"}, {"/v2/", "/x/v2/app/tags/list"}, {"/v2/", "/files/report.pdf"}, {"/v2/", "v2/app/tags/list"},
	} {
		if got := Parse(tt[0], tt[1]); got != (Endpoint{}) {
			t.Errorf("Parse(%q, %q) = %+v, want nothing", tt[0], tt[1], got)
		}
	}
	if got := Parse("/v2/", "/v2"); got.Kind != Base {
		t.Errorf("Parse(/v2/, /v2) = %+v, want the base", got)
	}
}

// The requests of the specification, by their numbers there, and what else clients
// ask for.
func TestActionsOfRequests(t *testing.T) {
	for _, tt := range []struct {
		methods, rest string
		want          Action
	}{
		{"GET HEAD", "", Login},                            // end-1
		{"GET HEAD", "app/blobs/" + digest, Pull},          // end-2
		{"GET HEAD", "app/manifests/1", Pull},              // end-3
		{"POST", "app/blobs/uploads/", Push},               // end-4, end-11
		{"PATCH", "app/blobs/uploads/1", Push},             // end-5
		{"PUT", "app/blobs/uploads/1", Push},               // end-6
		{"PUT", "app/manifests/1", Push},                   // end-7
		{"GET HEAD", "app/tags/list", Pull},                // end-8
		{"DELETE", "app/manifests/1", Delete},              // end-9
		{"DELETE", "app/blobs/" + digest, Delete},          // end-10
		{"GET HEAD", "app/referrers/" + digest, Pull},      // end-12
		{"GET HEAD", "app/blobs/uploads/1", Push},          // end-13
		{"DELETE", "app/blobs/uploads/1", Push},            // given up
		{"GET HEAD", "_catalog", ListCatalog},              //
		{"GET POST PUT DELETE", "_zot/ext/search", Extend}, //
		{"POST PUT PATCH DELETE OPTIONS", "", NoAction},    //
		{"POST PUT PATCH DELETE OPTIONS", "_catalog", NoAction},
		{"POST PATCH OPTIONS get", "app/manifests/1", NoAction},
		{"POST PUT PATCH OPTIONS", "app/blobs/" + digest, NoAction},
		{"GET HEAD PUT PATCH DELETE", "app/blobs/uploads/", NoAction},
		{"POST OPTIONS", "app/blobs/uploads/1", NoAction},
		{"POST PUT PATCH DELETE", "app/tags/list", NoAction},
		{"POST PUT PATCH DELETE", "app/referrers/" + digest, NoAction},
		{"GET POST", "app", NoAction},
	} {
		for method := range strings.SplitSeq(tt.methods, " ") {
			if got := Parse(DefaultRoot, DefaultRoot+tt.rest).Action(method); got != tt.want {
				t.Errorf("%s %s: %q, want %q", method, tt.rest, got, tt.want)
			}
		}
	}
}

func TestReferencesAreTagsOrDigests(t *testing.T) {
	for rest, want := range map[string][2]string{
		"app/manifests/1.0":       {"1.0", ""},
		"app/manifests/" + digest: {"", digest},
		"app/blobs/" + digest:     {"", digest},
		"app/blobs/1.0":           {"", ""},
		"app/referrers/" + digest: {"", digest},
		"app/blobs/uploads/a:b":   {"", ""},
		"_oci/ext":                {"", ""},
	} {
		e := Parse(DefaultRoot, DefaultRoot+rest)
		if got := [2]string{e.Tag(), e.Digest()}; got != want {
			t.Errorf("%s: tag and digest %q, want %q", rest, got, want)
		}
	}
}

func TestRepositoryNames(t *testing.T) {
	for _, name := range []string{"a", "0", "a/b/c", "a.b_c__d---e", "manifests/tags/list"} {
		if !IsRepository(name) {
			t.Errorf("%q is no repository name; want it to be", name)
		}
	}
	for _, name := range []string{"", "A", "a/", "/a", "a//b", "a b", "a\n", "\na", "a..b", "a_.b", "a___b", "a/-b", "a-", ".", "..", "a/../b", "é", "a_-b", "a-/b"} {
		if IsRepository(name) {
			t.Errorf("%q is a repository name; want it not to be", name)
		}
	}
}

func TestRootsOfUploads(t *testing.T) {
	for path, want := range map[string][]string{
		"/v2/a/blobs/uploads/":                   {"/v2/"},
		"/v2/a/blobs/uploads":                    {"/v2/"},
		"/v2/a/blobs/uploads/1":                  {"/v2/"},
		"/v2/a/blobs/uploads/1/":                 {"/v2/"},
		"/nexus/v2/NOT a name/blobs/uploads/":    {"/nexus/v2/"},
		"/v2/a/v2/b/blobs/uploads/1":             {"/v2/", "/v2/a/v2/"},
		"/v2/v2/v2/v2/blobs/uploads/":            {"/v2/", "/v2/v2/", "/v2/v2/v2/"},
		"/v2/a/blobs/uploads/v2/b/blobs/uploads": {"/v2/", "/v2/a/blobs/uploads/v2/"},
		"/v2/blobs/uploads/":                     nil,
		"/blobs/uploads/":                        nil,
		"/v1/a/blobs/uploads/":                   nil,
		"/xv2/a/blobs/uploads/":                  nil,
		"/v2/ablobs/uploads/":                    nil,
		"/v2/a/blobs/uploads/1/2":                nil,
		"/v2/a/manifests/1":                      nil,
		"/a/blobs/uploads/v2":                    nil,
		"/":                                      nil,
		"":                                       nil,
	} {
		if got := slices.Collect(UploadRoots(path)); !slices.Equal(got, want) {
			t.Errorf("UploadRoots(%q) = %q, want %q", path, got, want)
		}
		if got := IsUpload(path); got != (want != nil) {
			t.Errorf("IsUpload(%q) = %v", path, got)
		}
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	const path = "/v2/team/manifests/app/blobs/" + digest
	if n := testing.AllocsPerRun(100, func() {
		e := Parse(DefaultRoot, path)
		if e.Digest() == "" || e.Tag() != "" || e.Action("GET") != Pull || IsUpload(path) {
			t.Fatal(e)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The reference reads paths as the specification writes them, by regular expressions
// of which the name is as long as it can be.
const (
	namePattern   = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*`
	digestPattern = `[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+`
)

var (
	nameReference   = regexp.MustCompile(`\A` + namePattern + `\z`)
	digestReference = regexp.MustCompile(`\A` + digestPattern + `\z`)

	references = []struct {
		kind    Kind
		pattern *regexp.Regexp
	}{
		{Base, regexp.MustCompile(`\A()()\z`)},
		{Catalog, regexp.MustCompile(`\A()()_catalog/?\z`)},
		{Uploads, regexp.MustCompile(`\A(` + namePattern + `)/blobs/uploads()/?\z`)},
		{Upload, regexp.MustCompile(`\A(` + namePattern + `)/blobs/uploads/([^/]+)/?\z`)},
		{Manifest, regexp.MustCompile(`\A(` + namePattern + `)/manifests/([^/]+)/?\z`)},
		{Blob, regexp.MustCompile(`\A(` + namePattern + `)/blobs/([^/]+)/?\z`)},
		{Tags, regexp.MustCompile(`\A(` + namePattern + `)/tags/list()/?\z`)},
		{Referrers, regexp.MustCompile(`\A(` + namePattern + `)/referrers/([^/]+)/?\z`)},
		{Extension, regexp.MustCompile(`\A()(_[^/]+)/?\z`)},
		{Extension, regexp.MustCompile(`(?s)\A(?:(` + namePattern + `)/)?(_[^/]+/.*[^/])/?\z`)},
	}
)

func parseSlowly(rest string) Endpoint {
	for _, r := range references {
		if m := r.pattern.FindStringSubmatch(rest); m != nil {
			return Endpoint{r.kind, m[1], m[2]}
		}
	}
	return Endpoint{}
}

// Names, words and separators are put together at random more often than a mutation
// of bytes would find.
var fragments = []string{"/", "/", "/", "a", "b0", ".", "_", "-", "blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog", "_oci", "v2", ":", digest, "A", "é", "%", "\n"}

func FuzzParse(f *testing.F) {
	for rest := range endpoints {
		f.Add(rest, []byte(nil))
	}
	f.Add("", []byte("\x03\x00\x08\x00\x09\x00\x0a\x00\x03"))
	f.Fuzz(func(t *testing.T, rest string, pieces []byte) {
		var b strings.Builder
		b.WriteString(rest)
		for _, p := range pieces {
			b.WriteString(fragments[int(p)%len(fragments)])
		}
		rest = b.String()
		path := DefaultRoot + rest
		if strings.Contains(path, "//") {
			return // it is no path that anybody is asked about
		}
		got := Parse(DefaultRoot, path)
		if want := parseSlowly(rest); got != want {
			t.Fatalf("Parse(%q) = %+v, want %+v", path, got, want)
		}
		if again := Parse("/x/v2/", got.Path("/x/v2/")); again != got {
			t.Fatalf("%q: %+v has the path %q, which is %+v", path, got, got.Path("/x/v2/"), again)
		}
		if upload := got.Kind == Uploads || got.Kind == Upload; upload && !IsUpload(path) {
			t.Fatalf("%q is no upload, and is parsed as %+v", path, got)
		}
		if IsRepository(rest) != nameReference.MatchString(rest) || IsDigest(rest) != digestReference.MatchString(rest) {
			t.Fatalf("%q: repository %v, digest %v", rest, IsRepository(rest), IsDigest(rest))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse(DefaultRoot, "/v2/team/manifests/app/blobs/"+digest)
	}
}
