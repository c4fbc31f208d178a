package selfservice

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"gatehouse/backend/owntoken"
	"gatehouse/backend/shown"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// A Page is the page at one path. It may be used from any number of goroutines at once.
type Page struct {
	path     string
	tokens   *owntoken.Issuer
	template *template.Template
	policy   string // Content-Security-Policy
}

// New returns the page at path, on which people make tokens.
func New(path string, tokens *owntoken.Issuer) *Page {
	hash := sha256.Sum256([]byte(pageStyle))
	return &Page{
		path:   path,
		tokens: tokens,
		template: template.Must(template.New("page").Funcs(template.FuncMap{
			"style": func() template.CSS { return template.CSS(pageStyle) },
			"join":  func(list []string) string { return strings.Join(list, ", ") },

			"sentence": sentence,
		}).Parse(pageText)),
		// The style is the one thing that the page may have. Its forms go to where it
		// came from, and no other page has it in a frame, where somebody could be led
		// to press its buttons.
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	}
}

// SetHeader sets the fields that every answer of the page has, whatever its status.
//
// With "no-referrer" browsers call the origin of a form "null", by which those that do not
// send Sec-Fetch-Site, as over plain HTTP, could not be told from another site.
func (p *Page) SetHeader(h http.Header, html bool) {
	h.Set("Content-Type", "application/json")
	if html {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Vary", "Accept, Authorization")
	h.Set("X-Content-Type-Options", "nosniff")
}

// WantsHTML reports whether a client that accepts these types is a browser. Whoever does not
// say so gets JSON.
func WantsHTML(accept []string) bool {
	return strings.Contains(strings.ToLower(strings.Join(accept, ",")), "text/html")
}

// render returns v as a page or as JSON. Neither shows characters that nobody sees.
func (p *Page) render(v any, html bool) []byte {
	if !html {
		b, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Errorf("self-service: %w", err)) // the view does not fit JSON
		}
		return append(shown.JSON(b), '\n')
	}
	var body bytes.Buffer
	if err := p.template.Execute(shown.NewWriter(&body), v); err != nil {
		panic(fmt.Errorf("self-service page: %w", err)) // the template does not fit the view
	}
	return body.Bytes()
}

// RefusalPage returns a page that says why a request was refused, in a sentence.
func (p *Page) RefusalPage(text string) []byte {
	return p.render(&view{Path: p.path, Sentence: text}, true)
}
