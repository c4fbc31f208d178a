package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/gateway/rules"
)

const urlencoded = "application/x-www-form-urlencoded"

// formTypes are lines of Content-Type, in several spellings, by which some upstream
// may take a body for a form.
var formTypes = map[string][][2]string{
	"urlencoded":               {{"Content-Type", urlencoded}},
	"upper case":               {{"CONTENT-TYPE", "APPLICATION/X-WWW-FORM-URLENCODED"}},
	"charset":                  {{"Content-Type", urlencoded + "; charset=UTF-8"}},
	"empty parameter":          {{"Content-Type", urlencoded + ";"}},
	"broken parameter":         {{"Content-Type", urlencoded + "; ="}},
	"broken quote":             {{"Content-Type", urlencoded + `; a="b`}},
	"blanks":                   {{"Content-Type", urlencoded + "   \t ; x"}},
	"no-break space":           {{"Content-Type", "\u00a0" + urlencoded + "\u00a0"}},
	"comma":                    {{"Content-Type", "text/plain, " + urlencoded}},
	"comma first":              {{"Content-Type", urlencoded + ", text/plain"}},
	"in a parameter":           {{"Content-Type", `application/json; a="` + urlencoded + `"`}},
	"multipart":                {{"Content-Type", "multipart/form-data; boundary=x"}},
	"multipart mixed":          {{"Content-Type", "multipart/mixed; boundary=x"}},
	"multipart upper case":     {{"Content-Type", "Multipart/Form-Data;Boundary=x"}},
	"multipart without bounds": {{"Content-Type", "multipart/form-data"}},
	"no subtype":               {{"Content-Type", "multipart"}},
	"quoted":                   {{"Content-Type", `"` + urlencoded + `"`}},
	"empty":                    {{"Content-Type", ""}},
	"none":                     nil,
	"twice":                    {{"Content-Type", "text/plain"}, {"Content-Type", urlencoded}},
	"twice the same":           {{"Content-Type", urlencoded}, {"Content-Type", urlencoded}},
	"twice harmless":           {{"Content-Type", "text/plain"}, {"Content-Type", "text/plain"}},
	"underscore":               {{"Content_Type", urlencoded}},
	"underscore beside":        {{"Content-Type", "text/plain"}, {"Content_Type", urlencoded}},
	"dot beside":               {{"Content-Type", "text/plain"}, {"content.type", urlencoded}},
	"named by Connection":      {{"Content-Type", "text/plain"}, {"Connection", "content-type"}},
}

// registryRequests are requests below a registry, of which an upstream may read the
// body as a form. Whether there is such an endpoint is the upstream's to know.
var registryRequests = [][2]string{
	{"POST", "/v2/public/a/blobs/uploads/"}, {"POST", "/v2/public/a/blobs/uploads"}, {"PUT", "/v2/public/a/blobs/uploads/0b2c?_state=x"},
	{"PATCH", "/v2/public/a/blobs/uploads/0b2c"}, {"DELETE", "/v2/public/a/blobs/uploads/0b2c"}, {"POST", "/v2/public/NO NAME/blobs/uploads/"},
	{"PUT", "/v2/public/a/manifests/1"}, {"POST", "/v2/_catalog"}, {"POST", "/v2/"}, {"POST", "/v2/public/anything"},
}

// formBody may be read by whoever looks for parameters, in either form.
const formBody = "mount=" + layer + "&from=private/s&digest=" + layer +
	"\r\n--x\r\nContent-Disposition: form-data; name=\"mount\"\r\n\r\n" + layer + "\r\n--x--\r\n"

// sendsFields sends a request of alice with fields as they are, as far as the
// protocol can carry them, and returns the status.
func (tg *testGateway) sendsFields(t *testing.T, method, path string, fields [][2]string, body string) int {
	t.Helper()
	path = strings.ReplaceAll(path, " ", "%20")
	if tg.cfg.TLS == nil {
		lines := ""
		for _, f := range fields {
			if f[0] == "Connection" {
				f[1] += ", close"
			}
			lines += f[0] + ": " + f[1] + "\r\n"
		}
		if !strings.Contains(lines, "Connection") {
			lines += "Connection: close\r\n"
		}
		return tg.get1(t, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: %d\r\n%s\r\n%s",
			method, path, basic("alice"), len(body), lines, body)).StatusCode
	}
	r, err := http.NewRequest(method, tg.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", basic("alice"))
	for _, f := range fields {
		if f[0] != "Connection" { // which HTTP/2 has not
			r.Header[f[0]] = append(r.Header[f[0]], f[1])
		}
	}
	resp, err := tg.client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatalf("asked by %s", resp.Proto)
	}
	return resp.StatusCode
}

// noForm fails the test where the last request that reached up may be read as a form,
// or has another type than one of nothing known.
func (u *capture) noForm(t *testing.T) {
	t.Helper()
	r := u.last(t)
	var types []string
	for name, values := range r.Header {
		if strings.NewReplacer("_", "", ".", "", "-", "").Replace(strings.ToLower(name)) == "contenttype" {
			types = append(types, values...)
		}
	}
	if !slices.Equal(types, []string{"application/octet-stream"}) {
		t.Errorf("%s %s: the upstream got the types %q, want one of nothing known", r.Method, r.URL, types)
	}
	u.mu.Lock()
	r.Body = io.NopCloser(strings.NewReader(u.bodies[len(u.bodies)-1]))
	u.mu.Unlock()
	if r.PostFormValue("mount") != "" || r.ParseMultipartForm(1<<20) == nil || len(r.PostForm) > 0 {
		t.Errorf("%s %s: the upstream read a form: %v", r.Method, r.URL, r.PostForm)
	}
}

// openRoute lets alice do everything.
func openRoute(t *testing.T, upstream, path string) Route {
	t.Helper()
	r := mountRoute(t, upstream)
	r.Path, r.Rules = path, []rules.Rule{{Name: "all", Paths: everyPath, Require: mustRequire(t, "user alice")}}
	return r
}

// Registries read the parameters of an upload from the query or from a form in the
// body, the form first, and the rules see the query alone. So no form gets there.
func TestSEC1NoFormReachesARegistry(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		tg := startGateway(t, change, openRoute(t, up.url(), "/"))
		for name, fields := range formTypes {
			if tg.cfg.TLS != nil && name == "named by Connection" {
				continue // which HTTP/2 has not
			}
			for _, r := range registryRequests {
				if status := tg.sendsFields(t, r[0], r[1], fields, formBody); status != 202 {
					t.Errorf("%s: %s %s: status %d", name, r[0], r[1], status)
					continue
				}
				up.noForm(t)
			}
		}
	})
}

// Every method is judged alike, and an empty body is none of a form either.
func TestFormsAreHiddenWhateverTheMethod(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, openRoute(t, up.url(), "/v2/"))
	for _, method := range strings.Split(rules.AllMethods, ", ") {
		for _, body := range []string{formBody, ""} {
			tg.sendsFields(t, method, "/v2/a/b", formTypes["urlencoded"], body)
			up.noForm(t)
		}
	}
}

// What nobody can take for a form stays as it was sent: the type of a manifest is what
// the registry keeps it under.
func TestOtherTypesReachARegistryUntouched(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		tg := startGateway(t, change, openRoute(t, up.url(), "/v2/"))
		for _, want := range []string{
			"application/vnd.oci.image.manifest.v1+json",
			"application/vnd.docker.distribution.manifest.list.v2+json",
			"application/vnd.docker.distribution.manifest.v1+prettyjws",
			"application/vnd.acme.platform+json; charset=utf-8",
			`Application/JSON ; a="b\"c" ;; d=e;`,
			"text/plain",
			"application/octet-stream",
		} {
			tg.sendsFields(t, "PUT", "/v2/a/manifests/1", [][2]string{{"Content-Type", want}}, "{}")
			if got := up.last(t).Header["Content-Type"]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s: the upstream got %q", want, got)
			}
		}
		tg.sendsFields(t, "POST", uploads, nil, "")
		if got := up.last(t).Header["Content-Type"]; got != nil {
			t.Errorf("no body and no type: the upstream got %q", got)
		}
	})
}

// A service beside the registry keeps its forms.
func TestFormsReachWhatIsNoRegistry(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		tg := startGateway(t, change, openRoute(t, up.url(), "/"))
		for _, path := range []string{"/login", "/v2x/a", "/v1/a/blobs/uploads/", "/files/blobs/uploads/"} {
			tg.sendsFields(t, "POST", path+"?_method=PUT", formTypes["charset"], formBody)
			if got := up.last(t).Header["Content-Type"]; !slices.Equal(got, []string{urlencoded + "; charset=UTF-8"}) {
				t.Errorf("%s: the upstream got %q", path, got)
			}
		}
	})
}

// A trailer comes behind what was judged.
func TestNoTrailerNamesAForm(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		tg := startGateway(t, change, openRoute(t, up.url(), "/v2/"))
		r, err := http.NewRequest("POST", tg.url(uploads), io.MultiReader(strings.NewReader(formBody)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", basic("alice"))
		r.Trailer = http.Header{"X-Content": {urlencoded}, "Content_type": {urlencoded}}
		resp, err := tg.client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		up.noForm(t)
		if trailer := up.last(t).Trailer; len(trailer) > 0 {
			t.Errorf("the upstream got the trailers %v", trailer)
		}
		if got := up.text(); strings.Contains(strings.ToLower(got), urlencoded) {
			t.Errorf("the upstream got %q", got)
		}
	})
}

// Nothing of a registry has another method than the one of its request, and what is
// read of an upload has one value.
func TestSecondPlacesOfParametersAreRefused(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		tg := startGateway(t, change, openRoute(t, up.url(), "/"))
		for target, want := range map[string]int{
			"/v2/a/manifests/1?_method=DELETE":                   400,
			"/v2/a/manifests/1?_METHOD=DELETE":                   400,
			"/v2/a/manifests/1?x=1&%5Fmethod=DELETE":             400,
			"/v2/a/manifests/1?.method=DELETE":                   400,
			"/v2/a/manifests/1?_method%5B%5D=DELETE":             400,
			"/v2/a/manifests/1?X-HTTP-Method-Override=DELETE":    400,
			"/v2/a/manifests/1?$httpMethod=DELETE":               400,
			"/v2/?_method":                                       400,
			"/nexus/v2/a/blobs/uploads/?_method=PUT":             400,
			uploads + "1?digest=" + layer + "&digest=" + layer:   400,
			uploads + "1?Digest=" + layer:                        400,
			uploads + "1?digest%5B%5D=" + layer:                  400,
			uploads + "1?_state=a&_state=b":                      400,
			uploads + "1?_State=a":                               400,
			uploads + "?mount%5B%5D=" + layer + "&from=public/b": 400,
			uploads + "?+mount=" + layer + "&from=public/b":      400,
			uploads + "1?digest=" + layer + "&_state=a&state=b":  200,
			uploads + "?digest=" + layer + "&digest-algorithm=x": 200,
			"/v2/_catalog?n=1&last=a&methods=x":                  200,
			"/login?_method=DELETE&digest=1&digest=2":            200,
		} {
			before, _, _ := up.counts()
			resp := tg.do(t, "alice", "POST", target, nil)
			after, _, _ := up.counts()
			if resp.StatusCode != want || (after > before) != (want == 200) {
				t.Errorf("%s: status %d with %d requests upstream, want %d", target, resp.StatusCode, after-before, want)
			}
		}
	})
}

func TestMediaTypes(t *testing.T) {
	for s, want := range map[string]bool{
		"a/b": true, "a/b;": true, "a/b ; c=d": true, "a/b;c=\"d;e\"": true, "a/b;;c=d": true, `a/b;c="\\"`: true,
		"": false, "a": false, "a/": false, "/b": false, "a/b/c": false, "a/b c": false, "a/b,c/d": false, "a/b;c": false, "a/b;c=": false, "a/b; =d": false,
		"a/b;c=\"d": false, `a/b;c="\`: false, "\u00a0a/b": false, "a/b\u00a0": false, " a/b": false, "a /b": false, "a/b;c= d": false, "a/b;c=\"d\"e": false,
	} {
		if got := isMediaType(s); got != want {
			t.Errorf("isMediaType(%q) = %v", s, got)
		}
	}
}

// Whatever goes on unhidden is no form to Go's own reader of forms, which takes more
// than the grammar.
func FuzzContentType(f *testing.F) {
	for _, fields := range formTypes {
		for _, field := range fields {
			f.Add(field[1])
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !isMediaType(value) || mentionsForm(value) {
			return
		}
		r := &http.Request{Method: "POST", URL: new(url.URL), Header: http.Header{"Content-Type": {value}}, Body: io.NopCloser(strings.NewReader(formBody))}
		r.ParseMultipartForm(1 << 20)
		if len(r.PostForm) > 0 || r.MultipartForm != nil {
			t.Errorf("%q is the type of a form: %v", value, r.PostForm)
		}
	})
}
