package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selfService is a gateway with the page on which people make tokens.
type selfService struct{ addr, store string }

const selfServiceHost = "registry.example"

func startSelfService(t *testing.T) selfService {
	t.Helper()
	dir := publicDir(t)
	s := selfService{freeAddr(t), filepath.Join(t.TempDir(), "tokens.jsonl")}
	writeFile(t, filepath.Join(dir, "users"), []byte(htpasswdLine(t, "alice", "alice-5ecret")+htpasswdLine(t, "bob", "bob-5ecret")), 0o644)
	config := filepath.Join(dir, "gatehouse.toml")
	writeFile(t, config, fmt.Appendf(nil, `
listen = [%q]
[tokens]
store_file = %q
self_service = "/-/tokens"
[[backend]]
name = "people"
type = "htpasswd"
users_file = "users"
[[route]]
path = "/v2/"
backend = "people"
upstream = %q
challenge = "bearer"
[[route.rule]]
name = "all"
require = ["valid-user"]
`, s.addr, s.store, taking(t)), 0o644)
	start(t, command(t, binary(t), "serve", "--config", config)).listening(t, s.addr)
	return s
}

// list returns the tokens of alice.
func (s selfService) list(t *testing.T) (tokens []struct {
	ID, Name         string
	Actions          []string
	Repositories     []string
	Networks         []string
	Created, Expires string
}) {
	t.Helper()
	resp := s.get(t, "/-/tokens", "alice-5ecret")
	defer resp.Body.Close()
	var page struct{ Tokens any }
	page.Tokens = &tokens
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != 200 {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return tokens
}

// status returns what a request of alice with a password is answered.
func (s selfService) status(t *testing.T, path, password string) int {
	t.Helper()
	resp := s.get(t, path, password)
	resp.Body.Close()
	return resp.StatusCode
}

func (s selfService) get(t *testing.T, path, password string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("alice", password)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

var secretPattern = regexp.MustCompile(`gth[pbi]_[0-9A-Za-z]{36}`)

// secret returns the value of the field that shows one.
func (b *browser) secret() string {
	b.t.Helper()
	secret, _ := b.eval(`document.getElementById("secret").value`).(string)
	if secretPattern.FindString(secret) != secret || secret == "" {
		b.t.Fatalf("the page shows no token: %q\n%s", secret, b.text())
	}
	return secret
}

// html returns the whole page, and the values of its fields.
func (b *browser) html() string {
	html, _ := b.eval(`document.documentElement.outerHTML + [...document.querySelectorAll("input")].map(e => e.value).join(" ")`).(string)
	return html
}

// TestSelfServiceInABrowser: somebody makes, rotates and revokes tokens on the page, once by
// the mouse at a name, over plain HTTP as behind a proxy, and once by the keyboard alone at
// this machine, where the browser says from which site a form comes. With -update it writes
// the pictures for the documentation.
func TestSelfServiceInABrowser(t *testing.T) {
	needs(t, "chromium")
	s := startSelfService(t)
	b := newBrowser(t, s.addr)
	page := "http://" + selfServiceHost + "/-/tokens"

	b.look(1000, 1500, "light")
	b.open(page, "Please log in")
	b.user, b.password = "alice", "alice-5ecret"
	b.open(page, "You have none.")

	t.Run("create", func(t *testing.T) { b.on(t).makesToken(s, page) })
	t.Run("faults", func(t *testing.T) { b.on(t).seesFaults() })
	t.Run("rotate and revoke", func(t *testing.T) { b.on(t).rotatesAndRevokes(s, page) })
	t.Run("other site", func(t *testing.T) { b.on(t).isRefusedFromElsewhere(s, page) })
	t.Run("keyboard", func(t *testing.T) { b.on(t).makesTokenByKeyboard(s) })
	t.Run("looks", func(t *testing.T) { b.on(t).looksRight(s, page) })
	b.on(t)
	for _, url := range b.asked {
		if !strings.HasPrefix(url, page) && !strings.HasPrefix(url, "http://127.0.0.") && !strings.HasPrefix(url, "http://localhost:") && url != "about:blank" && url != "http://"+selfServiceHost+"/favicon.ico" {
			t.Errorf("the page has the browser ask for %s", url)
		}
	}
}

// on has what fails be told to t.
func (b *browser) on(t *testing.T) *browser {
	b.t = t
	return b
}

// makesToken makes a token, sees its secret once, and the commands that use it.
func (b *browser) makesToken(s selfService, page string) {
	b.fill("#name", "ci-build")
	b.click("input[value=push]")
	b.fill("#repositories", "team/app team/lib/**")
	b.fill("#days", "90")
	b.fill("#networks", "10.1.0.0/16")
	b.click(".new button")
	b.awaitText("Copy it now.")
	secret := b.secret()
	for id, want := range map[string]string{
		"login": "docker login " + selfServiceHost + " -u alice",
		"stdin": `printf %s "$TOKEN" | docker login ` + selfServiceHost + " -u alice --password-stdin",
	} {
		if got := b.eval(`document.getElementById("` + id + `").textContent`); got != want {
			b.t.Errorf("the page shows %q, want %q", got, want)
		}
	}
	if focused := b.eval("document.activeElement.id"); focused != "secret" {
		b.t.Errorf("%q has the focus", focused)
	}
	if got := s.status(b.t, "/v2/", secret); got != 401 {
		b.t.Errorf("a login from elsewhere than the token is for: %d", got)
	}
	list := s.list(b.t)
	if len(list) != 1 || list[0].Name != "ci-build" || fmt.Sprint(list[0].Actions, list[0].Repositories, list[0].Networks) != "[pull push] [team/app team/lib/**] [10.1.0.0/16]" {
		b.t.Fatalf("there is %+v", list)
	}
	if stored, err := os.ReadFile(s.store); err != nil || strings.Contains(string(stored), secret) {
		b.t.Errorf("the store has the secret, or %v", err)
	}
	// The form again, as the browser sends it when the page is loaded again.
	b.send("Page.reload", nil)
	b.awaitText("There is a token of that name already")
	if strings.Contains(b.html(), secret) || len(s.list(b.t)) != 1 {
		b.t.Errorf("the form again: %s", b.html())
	}
	b.open(page, "ends in 90 days")
	if strings.Contains(b.html(), "gthp_") {
		b.t.Errorf("the list has a secret: %s", b.html())
	}
}

// seesFaults sees what is wrong beside the field, and finds there what was typed.
func (b *browser) seesFaults() {
	const script = `<img src=x onerror=document.title='run'>`
	b.fill("#name", script)
	b.fill("#repositories", "Team/App")
	b.click("input[value=pull]")
	b.click(".new button")
	b.awaitText("No token was made")
	if got := b.eval(`[document.title, document.images.length, document.getElementById("name").value, document.getElementById("repositories").value].join("|")`); got != "Tokens at "+selfServiceHost+"|0|"+script+"|Team/App" {
		b.t.Errorf("the page is %q", got)
	}
	for _, field := range []string{"name", "action", "repositories"} {
		below := b.eval(fmt.Sprintf(`document.getElementById("%[1]s-error").getBoundingClientRect().top > document.querySelector("[name=%[1]s]").getBoundingClientRect().top`, field))
		if below != true {
			b.t.Errorf("nothing stands beside %s", field)
		}
	}
}

func (b *browser) rotatesAndRevokes(s selfService, page string) {
	b.open(page, "ci-build")
	old := s.list(b.t)[0].ID
	b.click("details:nth-of-type(1) summary")
	b.click(`form[action$="/rotate"] button`)
	b.awaitText("The new token “ci-build”")
	secret := b.secret()
	if list := s.list(b.t); len(list) != 2 {
		b.t.Fatalf("there are %d tokens", len(list))
	}
	b.send("Page.reload", nil)
	b.awaitText("There are two tokens of that name")
	if len(s.list(b.t)) != 2 || strings.Contains(b.html(), secret) {
		b.t.Error("the same form again has made a token, or shows it")
	}
	b.open(page, "2 tokens")
	b.click("[id='" + old + "'] details summary")
	b.click("[id='" + old + "'] button.danger")
	b.awaitText("The token was revoked.")
	if list := s.list(b.t); len(list) != 1 || list[0].ID == old {
		b.t.Errorf("after the revocation: %+v", list)
	}
	b.send("Page.reload", nil)
	b.awaitText("1 token")
	if got := b.eval("location.pathname"); got != "/-/tokens" {
		b.t.Errorf("the browser is at %v", got)
	}
}

// isRefusedFromElsewhere opens a page of another site, which sends the forms by itself. The
// browser remembers the password.
func (b *browser) isRefusedFromElsewhere(s selfService, page string) {
	id := s.list(b.t)[0].ID
	for _, act := range []struct{ path, field string }{{"", "<input name=name value=evil><input name=action value=pull><input name=ttl value=24h>"}, {"/" + id + "/revoke", ""}, {"/" + id + "/rotate", ""}} {
		for _, at := range []string{page, "http://" + s.addr + "/-/tokens"} {
			evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, `<form method=post action=%q>%s</form><script>document.forms[0].submit()</script>`, at+act.path, act.field)
			}))
			b.open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1), "was sent by a page of another site")
			evil.Close()
		}
	}
	if list := s.list(b.t); len(list) != 1 || list[0].ID != id {
		b.t.Errorf("another site has changed the tokens: %+v", list)
	}
	b.isFramedNowhere(s)
}

// isFramedNowhere has a page at another port of the same machine put the page into a frame,
// where somebody could be led to press its buttons.
func (b *browser) isFramedNowhere(s selfService) {
	frame := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<iframe src="http://`+s.addr+`/-/tokens"></iframe><p>framed</p>`)
	}))
	frame.Listener.Close()
	var err error
	if frame.Listener, err = net.Listen("tcp", freeAddr(b.t)); err != nil {
		b.t.Fatal(err)
	}
	frame.Start()
	defer frame.Close()
	b.open(frame.URL, "framed")
	var tree struct {
		FrameTree struct {
			ChildFrames []struct {
				Frame struct{ URL, UnreachableURL string }
			}
		}
	}
	b.do("Page.getFrameTree", nil, &tree)
	if in := tree.FrameTree.ChildFrames; len(in) != 1 || in[0].Frame.UnreachableURL != "http://"+s.addr+"/-/tokens" {
		b.t.Errorf("in a frame of another page there is %+v", in)
	}
}

// makesTokenByKeyboard does without a mouse, and is told everything by labels.
func (b *browser) makesTokenByKeyboard(s selfService) {
	b.open("http://"+s.addr+"/-/tokens", "New token")
	var order []string
	for range 40 {
		b.press("Tab")
		at, _ := b.eval(`document.activeElement.name || document.activeElement.tagName`).(string)
		order = append(order, at)
		switch {
		case at == "name":
			b.typeText("workstation")
		case at == "BUTTON" && b.eval(`document.activeElement.closest("form").classList.contains("new")`) == true:
			b.press("Enter")
			b.awaitText("Token “workstation”")
			if login, page := s.status(b.t, "/v2/", b.secret()), s.status(b.t, "/-/tokens", b.secret()); login != 200 || page != 403 {
				b.t.Errorf("a login with the token: %d; the page with it: %d", login, page)
			}
			want := []string{"name", "action", "action", "action", "action", "action", "repositories", "ttl", "days", "networks", "BUTTON"}
			if i := slices.Index(order, "name"); !slices.Equal(order[i:], want) {
				b.t.Errorf("the keyboard goes through %q", order)
			}
			return
		}
	}
	b.t.Fatalf("the keyboard comes through %q", order)
}

// looksRight measures the page: no width at which anything has to be scrolled sideways, no
// text that is hard to read, no field without a label.
func (b *browser) looksRight(s selfService, page string) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{320, 1280} {
			b.look(width, 800, scheme)
			b.open(page, "New token")
			b.eval(`document.querySelectorAll("details").forEach(e => e.open = true)`)
			b.checkLook(fmt.Sprintf("%s, %d wide", scheme, width))
			b.fill("#name", "a b")
			b.click(".new button")
			b.awaitText("No token was made")
			b.checkLook(fmt.Sprintf("%s, %d wide, with a fault", scheme, width))
		}
	}
	for n, scheme := range []string{"light", "dark"} {
		b.look([]int{900, 390}[n], []int{1240, 844}[n], scheme)
		b.open(page, "New token")
		b.fill("#name", []string{"nightly", "laptop"}[n])
		b.fill("#repositories", []string{"team/**", ""}[n])
		b.fill("#days", []string{"6", "30"}[n])
		b.click(".new button")
		b.awaitText("Copy it now.")
		b.checkLook(scheme + ", with a token")
		if n == 0 {
			b.open(page, "nightly")
		}
		b.eval("scrollTo(0, 0)")
		b.keepPicture([]string{"self-service.png", "self-service-phone.png"}[n])
	}
}

func (b *browser) checkLook(what string) {
	b.t.Helper()
	if wide := b.eval(`[...document.querySelectorAll("html, body, section, form, li")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName + " " + e.scrollWidth + " > " + e.clientWidth).join(", ")`); wide != "" {
		b.t.Errorf("%s: scrolls sideways: %v", what, wide)
	}
	if faint := b.eval(faintText); faint != "" {
		b.t.Errorf("%s: hard to read: %v", what, faint)
	}
	if nameless := b.eval(`[...document.querySelectorAll("input, select")].filter(e => !e.labels.length).map(e => e.outerHTML).join(", ")`); nameless != "" {
		b.t.Errorf("%s: without a label: %v", what, nameless)
	}
	if small := b.eval(`[...document.querySelectorAll("button, summary, select, input:not([type=checkbox]), .tick")].filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 40).map(e => e.outerHTML).join(", ")`); small != "" {
		b.t.Errorf("%s: too small for a finger: %v", what, small)
	}
}

// faintText is the text with less contrast than 4.5 to 1, as WCAG 2.2 has it for level AA
// (success criterion 1.4.3).
const faintText = `(() => {
	const rgb = s => s.match(/[\d.]+/g).map(Number)
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
	const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] }
	const found = []
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()) || e.tagName == "INPUT"
		if (!own || !e.getClientRects().length) continue
		const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x)
		const ratio = (a + 0.05) / (b + 0.05)
		if (ratio < 4.5) found.push(e.tagName + " " + e.textContent.trim().slice(0, 30) + " " + ratio.toFixed(2))
	}
	return found.join(", ")
})()`

// keepPicture checks the size of a picture, and writes it for the documentation with -update.
func (b *browser) keepPicture(name string) {
	b.t.Helper()
	content := b.picture()
	if len(content) < 10<<10 || len(content) > 150<<10 {
		b.t.Errorf("%s has %d bytes", name, len(content))
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile("../../docs/"+name, content, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
