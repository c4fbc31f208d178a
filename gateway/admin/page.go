package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"gatehouse/backend/shown"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// page is the status as people read it: one document without scripts, which loads
// nothing.
type page struct {
	template *template.Template
	policy   string // Content-Security-Policy
}

func newPage() *page {
	hash := sha256.Sum256([]byte(pageStyle))
	return &page{
		template: template.Must(template.New("status").Funcs(template.FuncMap{
			"style":   func() template.CSS { return template.CSS(pageStyle) },
			"ago":     ago,
			"lasting": lasting,
			"bytes":   byteCount,
			"percent": percent,
			"words":   func(code string) string { return strings.ReplaceAll(code, "_", " ") },
			"clock":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
			"largest": largestFirst,

			"minus": func(a, b uint64) uint64 { return a - b },
			"rates": drawRates, "busiest": busiest, "latencies": drawLatencies, "slowest": slowest,
		}).Parse(pageText)),
		// The style is the one thing that the page may have, and no other text
		// in its place.
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	}
}

func (p *page) serve(w http.ResponseWriter, s Status) {
	var body bytes.Buffer
	if err := p.template.Execute(&body, s); err != nil {
		panic(fmt.Errorf("status page: %w", err)) // the template does not fit the status
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	shown.NewWriter(w).Write(body.Bytes()) // a client that has gone is no news
}

// ago says how long ago t was, as people do.
func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return lasting(time.Since(t).Seconds()) + " ago"
}

// lasting says how long a number of seconds is, in its largest unit that makes
// more than one.
func lasting(seconds float64) string {
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}} {
		if seconds >= 2*unit.seconds {
			return fmt.Sprintf("%.0f %s", seconds/unit.seconds, unit.name)
		}
	}
	if seconds < 1 {
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	}
	return fmt.Sprintf("%.0f s", seconds)
}

// percent says what share is, a number from 0 to 1.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// byteCount says how many bytes n is.
func byteCount(n uint64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
