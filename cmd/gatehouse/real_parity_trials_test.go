package main_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The groups of trials. A row of the table of differences is about one of them.
const (
	methods     = "method"
	paths       = "path"
	passwords   = "password line"
	groups      = "group line"
	credentials = "credentials"
	headers     = "header"
	answers     = "answer"
)

// everybody are the four kinds of people who send requests.
var everybody = []struct{ name, header string }{
	{"nobody", ""},
	{"a stranger", basic(puller, "wrong")},
	{"the puller", basic(puller, pullerPassword)},
	{"the pusher", basic(pusher, pusherPassword)},
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + "\r\n"
}

// newTrial returns an ordinary HTTP/1.1 request.
func newTrial(group, what, who, method, target, header, body string) trial {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: registry.test\r\n%s", method, target, header)
	if body != "" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return trial{group: group, what: what, who: who, head: head, body: body}
}

func allTrials() []trial {
	var all []trial
	for _, trials := range [][]trial{
		methodTrials(), pathTrials(), passwordTrials(), groupTrials(), credentialTrials(), headerTrials(), answerTrials(),
	} {
		all = append(all, trials...)
	}
	return all
}

// methodTrials: what each kind of people may do.
func methodTrials() []trial {
	var trials []trial
	for _, method := range strings.Fields("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT " +
		"PROPFIND MKCOL COPY LOCK REPORT SEARCH PURGE LINK QUERY FOO get Get") {
		for _, who := range everybody {
			body := ""
			if method == "POST" || method == "PUT" || method == "PATCH" {
				body = "body"
			}
			trials = append(trials, newTrial(methods, method, who.name, method, "/v2/x", who.header, body))
		}
	}
	return trials
}

// pathTrials: which paths lead where.
func pathTrials() []trial {
	targets := []string{
		"/v2", "/v2/", "/v2/x", "/v2/a/b/manifests/1?n=1&last=x", "/v2/?", "/v2/x?q=%2F&r=%zz", "/v2/x?a;b=c",
		"//v2/", "/v2//x", "/v2/x/", "/v2/x//", "/./v2/", "/v2/./x", "/v2/../v2/x", "/x/../v2/y", "/v2/x/..", "/v2/x/.",
		"/%76%32/", "/v2/%61", "/v2/x/%2e%2e/y", "/v2/%2E%2E/v2/x", "/v2/x%2e",
		"/", "/v1/", "/v2x", "/V2/", "/error/", "/v2/../", "/v2/..", "/v2/%2e%2e/", "/v2;x=1/y",
		"/v2/../../v2/", "/%2e%2e/v2/", "/v2/%", "/v2/%zz", "/v2/a b", "/v2/x#frag", "v2/",
		"/v2%2fx", "/v2/a%2Fb", "/v2/x%00", "/v2/..%2fx",
		"/v2/a%5cb", `/v2/a\b`, "/v2/%252e%252e/", "/v2/a%252fb",
		"/v2/..;/x", "/v2/a;b=c/d",
		"/v2/%0a", "/v2/%0d%0aX:y", "/v2/%7f", "/v2/%c0%af", "/v2/%ff", "/v2/%c3%a9", "/v2/é", "/v2/\"<>", "/v2/{|}", "/v2/^`", "/v2/[x]",
		"/v2/a%3ab", "/v2/a%40b", "/v2/a%2bb", "/v2/a+b", "/v2/%7E", "/v2/a:b@c~d!$&'()*,=",
		"http://registry.test/v2/x", "http://other.example/v2/x", "https://registry.test/v2/x", "ftp://registry.test/v2/x", "*", "http://registry.test",
		"/v2/" + strings.Repeat("x", 8000), "/v2/" + strings.Repeat("x", 9000),
	}
	var trials []trial
	for _, target := range targets {
		what := target
		if len(what) > 50 {
			what = fmt.Sprintf("%s... of %d bytes", what[:10], len(what))
		}
		for _, who := range []int{0, 3} {
			trials = append(trials, newTrial(paths, what, everybody[who].name, "GET", target, everybody[who].header, ""))
		}
	}
	return append(trials, newTrial(paths, "OPTIONS *", "nobody", "OPTIONS", "*", "", ""))
}

// passwordTrials: how the lines of a password file are read.
func passwordTrials() []trial {
	var trials []trial
	try := func(user, password string) {
		what := fmt.Sprintf("%+.20q with %.20q", user, password)
		if len(password) > 20 {
			what = fmt.Sprintf("%q with %d characters", user, len(password))
		}
		trials = append(trials, newTrial(passwords, what, "user", "GET", "/v2/", basic(user, password), ""))
	}
	for _, user := range []string{
		"sha", "apr1", "md5crypt", "sha256crypt", "sha512crypt", "yescrypt", "bcrypt2a", "bcrypt2b", "bcrypt2y",
		"bom", "\ufeffbom", "lead", "  lead", "trail", "trail ", "blanks", "crlf", "fields", "twice", "last",
		"josé", "jos\xe9", "jose\u0301", "JOSÉ", "two words", `back\slash`, `"quoted"`, "quoted", "#inside", "inside", strings.Repeat("n", 300),
		"SHA", "Testuser", " sha", "sha ", "star", "banned", "empty", "nobody", "# Password files of two servers", "*",
	} {
		try(user, "secret")
		try(user, "wrong")
	}
	try("twice", "other")
	try("sha", "")
	try("star", "*")
	try("empty", "")
	try("nopassword", "")
	try("long", strings.Repeat("a", 71))
	try("long", strings.Repeat("a", 72))
	try("long", strings.Repeat("a", 73))
	try("sha", "secret ")
	try("sha", "secret\n")
	return trials
}

// groupTrials: how the lines of a group file are read.
func groupTrials() []trial {
	var trials []trial
	for _, user := range []string{
		"sha", "apr1", "md5crypt", "sha256crypt", "sha512crypt", "yescrypt", "bcrypt2a", "bcrypt2b", "bcrypt2y",
		"bom", "lead", "trail ", "blanks", "crlf", "fields", "twice", "josé", "two words", `back\slash`, "last",
	} {
		trials = append(trials, newTrial(groups, user, "user", "POST", "/v2/x", basic(user, "secret"), "body"))
	}
	return append(trials, newTrial(groups, "long", "user", "POST", "/v2/x", basic("long", strings.Repeat("a", 72)), "body"))
}

// credentialTrials: how the Authorization header is read.
func credentialTrials() []trial {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	good := encode("sha:secret") // c2hhOnNlY3JldA==
	forms := []struct{ what, header string }{
		{"lower case scheme", "Authorization: basic " + good},
		{"upper case scheme", "Authorization: BASIC " + good},
		{"lower case header", "authorization: Basic " + good},
		{"two blanks", "Authorization: Basic  " + good},
		{"tab", "Authorization: Basic\t" + good},
		{"blanks around", "Authorization:   Basic " + good + "  "},
		{"no blank", "Authorization: Basic" + good},
		{"no padding", "Authorization: Basic " + strings.TrimRight(good, "=")},
		{"too much padding", "Authorization: Basic " + good + "="},
		{"trailing bits set", "Authorization: Basic " + strings.Replace(good, "A==", "B==", 1)},
		{"garbage behind", "Authorization: Basic " + good + ",Basic x"},
		{"word behind", "Authorization: Basic " + good + " x"},
		{"blank inside", "Authorization: Basic c2hhOn NlY3JldA=="},
		{"not base64", "Authorization: Basic !!!!"},
		{"nothing", "Authorization: Basic"},
		{"empty header", "Authorization:"},
		{"no colon", "Authorization: Basic " + encode("sha")},
		{"no user", "Authorization: Basic " + encode(":secret")},
		{"no password", "Authorization: Basic " + encode("sha:")},
		{"only a colon", "Authorization: Basic " + encode(":")},
		{"NUL behind the password", "Authorization: Basic " + encode("sha:secret\x00junk")},
		{"NUL behind the user", "Authorization: Basic " + encode("sha\x00:secret")},
		{"newline behind the password", "Authorization: Basic " + encode("sha:secret\n")},
		{"2000 bytes of password", "Authorization: Basic " + encode("sha:"+strings.Repeat("x", 2000))},
		{"9000 bytes of password", "Authorization: Basic " + encode("sha:"+strings.Repeat("x", 9000))},
		{"Bearer", "Authorization: Bearer " + good},
		{"Digest", `Authorization: Digest username="sha"`},
		{"Negotiate", "Authorization: Negotiate " + good},
		{"twice the same", "Authorization: Basic " + good + "\r\nAuthorization: Basic " + good},
		{"twice, good first", "Authorization: Basic " + good + "\r\nAuthorization: Basic " + encode("sha:wrong")},
		{"twice, good last", "Authorization: Basic " + encode("sha:wrong") + "\r\nAuthorization: Basic " + good},
		{"Proxy-Authorization", "Proxy-Authorization: Basic " + good},
		{"both kinds", "Authorization: Basic " + good + "\r\nProxy-Authorization: Basic " + encode("x:y")},
		{"folded line", "Authorization: Basic\r\n " + good},
		{"blank before the colon", "Authorization : Basic " + good},
		{"removed by Connection", "Authorization: Basic " + good + "\r\nConnection: authorization"},
	}
	var trials []trial
	for _, form := range forms {
		trials = append(trials, newTrial(credentials, form.what, "sha", "GET", "/v2/", form.header+"\r\n", ""))
	}
	return trials
}

// headerTrials: what else can be said in the head of a request, and the forms
// of its body.
func headerTrials() []trial {
	me := everybody[3]
	var trials []trial
	get := func(what, header string) {
		trials = append(trials, newTrial(headers, what, me.name, "GET", "/v2/x", me.header+header+"\r\n", ""))
	}
	get("accept", "Accept: a/b\r\nAccept: c/d\r\nAccept-Encoding: gzip\r\nUser-Agent: test")
	get("range", "Range: bytes=0-3")
	get("cookie", "Cookie: a=b")
	get("X-Forwarded-For", "X-Forwarded-For: 192.0.2.1")
	get("X-Forwarded-Host", "X-Forwarded-Host: evil.example")
	get("X-Forwarded-Proto", "X-Forwarded-Proto: http")
	get("Forwarded", "Forwarded: host=evil.example")
	get("X-Real-IP", "X-Real-IP: 192.0.2.1")
	get("X-Remote-User", "X-Remote-User: admin")
	get("X_Remote_User", "X_Remote_User: admin")
	get("method override", "X-HTTP-Method-Override: DELETE")
	get("idempotency", "Idempotency-Key: 1")
	get("upgrade", "Connection: upgrade\r\nUpgrade: websocket")
	get("upgrade to HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
	get("te", "TE: trailers")
	get("unknown expectation", "Expect: 200-maybe")
	get("two Hosts", "Host: registry.test")
	get("equal lengths", "Content-Length: 0\r\nContent-Length: 0")
	get("unequal lengths", "Content-Length: 0\r\nContent-Length: 1")
	get("folded header", "X-Folded: a\r\n b")
	get("header of 9000 bytes", "X-Long: "+strings.Repeat("x", 9000))
	get("120 headers", strings.TrimSuffix(strings.Repeat("X-Many: x\r\n", 120), "\r\n"))

	whole := func(what, who, head, body string) {
		trials = append(trials, trial{group: headers, what: what, who: who, head: head, body: body})
	}
	whole("no Host", me.name, "GET /v2/x HTTP/1.1\r\n"+me.header, "")
	whole("HTTP/1.0", me.name, "GET /v2/x HTTP/1.0\r\nHost: registry.test\r\n"+me.header, "")
	whole("HTTP/1.0 without Host", me.name, "GET /v2/x HTTP/1.0\r\n"+me.header, "")
	whole("HTTP/2.0 in a request line", me.name, "GET /v2/x HTTP/2.0\r\nHost: registry.test\r\n"+me.header, "")
	whole("no version", me.name, "GET /v2/x\r\nHost: registry.test\r\n"+me.header, "")
	whole("Host with a port", me.name, "GET /v2/x HTTP/1.1\r\nHost: registry.test:5043\r\n"+me.header, "")
	whole("Host in upper case", me.name, "GET /v2/x HTTP/1.1\r\nHost: REGISTRY.test\r\n"+me.header, "")
	whole("another Host", me.name, "GET /v2/x HTTP/1.1\r\nHost: other.example\r\n"+me.header, "")
	whole("Host with a list", me.name, "GET /v2/x HTTP/1.1\r\nHost: evil;proto=https,for=x\r\n"+me.header, "")
	whole("bare line feeds", me.name, "GET /v2/x HTTP/1.1\nHost: registry.test\n"+me.header, "")

	const post = "POST /v2/x HTTP/1.1\r\nHost: registry.test\r\n"
	whole("chunked", me.name, post+me.header+"Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n")
	whole("chunked with a trailer", me.name, post+me.header+"Transfer-Encoding: chunked\r\nTrailer: X-Remote-User\r\n", "4\r\nbody\r\n0\r\nX-Remote-User: admin\r\n\r\n")
	whole("chunked and length", me.name, post+me.header+"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "4\r\nbody\r\n0\r\n\r\n")
	whole("unknown transfer encoding", me.name, post+me.header+"Transfer-Encoding: gzip\r\n", "")
	whole("broken chunk", me.name, post+me.header+"Transfer-Encoding: chunked\r\n", "4\r\nbodyX\r\n0\r\n\r\n")
	trials[len(trials)-1].begun = true
	whole("expects 100", me.name, post+me.header+"Expect: 100-continue\r\nContent-Length: 4\r\n", "body")
	whole("body of a GET", me.name, "GET /v2/x HTTP/1.1\r\nHost: registry.test\r\n"+me.header+"Content-Length: 4\r\n", "body")
	for _, who := range everybody[:3] {
		whole("announces a body and keeps it", who.name, post+who.header+"Content-Length: 100000000\r\n", "")
		trials[len(trials)-1].silent = true
		whole("asks before it sends a body", who.name, post+who.header+"Expect: 100-continue\r\nContent-Length: 100000000\r\n", "")
	}
	return trials
}

// echoAnswers are the paths where the upstream answers with something special.
var echoAnswers = map[string]http.HandlerFunc{
	"/v2/empty": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "0")
	},
	"/v2/blob": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Content-Digest", "sha256:0")
		w.Header().Set("Etag", `"sha256:0"`)
		w.Header().Set("Content-Length", "8")
		fmt.Fprint(w, "12345678")
	},
	"/v2/compressed": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		fmt.Fprint(w, "not really")
	},
	"/v2/created-upstream": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()+"/v2/new?_state=a%2Fb")
		w.WriteHeader(http.StatusAccepted)
	},
	"/v2/created-here": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://registry.test/v2/new")
		w.WriteHeader(http.StatusAccepted)
	},
	"/v2/created-elsewhere": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://storage.example/blob")
		w.WriteHeader(http.StatusTemporaryRedirect)
	},
	"/v2/link": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `</v2/_catalog?last=x&n=2>; rel="next"`)
		w.Header().Set("Warning", `299 - "old"`)
	},
	"/v2/own-challenge": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://evil.example/"`)
		w.WriteHeader(http.StatusUnauthorized)
	},
	"/v2/own-form": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "upstream says the password in the form is wrong")
	},
	"/v2/own-error": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "upstream is ill")
	},
}

// answerTrials: what becomes of the upstream's answers.
func answerTrials() []trial {
	me := everybody[3]
	var trials []trial
	for _, path := range slices.Sorted(maps.Keys(echoAnswers)) {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			trials = append(trials, newTrial(answers, method+" "+path, me.name, method, path, me.header, ""))
		}
	}
	return append(trials, newTrial(answers, "Range", me.name, "GET", "/v2/blob", me.header+"Range: bytes=0-3\r\n", ""))
}
