package selfservice

import (
	"fmt"
	"strings"
	"time"

	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
)

const day = 24 * time.Hour

// view is what the page shows, and what programs are told.
type view struct {
	User    string      `json:"user"`
	Host    string      `json:"host"`
	PerUser int         `json:"per_user"`
	MaxTTL  string      `json:"max_ttl"`
	WhyNone string      `json:"why_none,omitempty"` // why the account can have no tokens
	Made    *made       `json:"made,omitempty"`
	Tokens  []tokenView `json:"tokens"`

	Path     string `json:"-"`
	Sentence string `json:"-"` // in place of everything else
	Problem  string `json:"-"`
	Form     *wish  `json:"-"`
	Terms    []term `json:"-"`
	MaxDays  int    `json:"-"`
	Lasting  string `json:"-"` // MaxTTL in words
}

// tokenView is what is shown of a token.
type tokenView struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`
	Repositories []string   `json:"repositories,omitempty"`
	Actions      []string   `json:"actions,omitempty"`
	Networks     []string   `json:"networks,omitempty"`
	Created      time.Time  `json:"created"`
	Expires      time.Time  `json:"expires"`
	Used         *time.Time `json:"used,omitempty"`
	UsedFrom     string     `json:"used_from,omitempty"`

	Path      string `json:"-"` // below which it is revoked and rotated
	Left      string `json:"-"`
	Soon      bool   `json:"-"` // it ends within a week
	CanRotate bool   `json:"-"`
}

// made is a token that was made just now. Its secret is shown here and never again.
type made struct {
	tokenView
	Secret  string `json:"secret"`
	Login   string `json:"login"` // a command
	Stdin   string `json:"login_by_stdin"`
	Rotated bool   `json:"-"`
}

// term is a time for which a token can be good.
type term struct {
	Value, Text string
}

func (p *Page) newView(r Request) *view {
	bounds := p.tokens.Bounds()
	v := &view{
		User: r.Who.User, Host: r.Host, Path: p.path, PerUser: bounds.PerUser, MaxTTL: bounds.MaxTTL.String(), Lasting: lasting(bounds.MaxTTL),
		Tokens: []tokenView{}, Form: p.emptyWish(), Terms: termsUpTo(bounds.MaxTTL), MaxDays: int(bounds.MaxTTL / day),
	}
	if err := p.tokens.CheckOwner(owntoken.OwnerOf(r.Who)); err != nil {
		v.WhyNone = whyNone(err)
	}
	return v
}

// emptyWish returns the form as it is found. A token for pulling is what most people need.
func (p *Page) emptyWish() *wish {
	return &wish{Actions: []string{rules.Actions[0]}, TTL: min(30*day, p.tokens.Bounds().MaxTTL).String()}
}

// termsUpTo returns the times among which one chooses.
func termsUpTo(longest time.Duration) (terms []term) {
	for _, d := range []time.Duration{day, 7 * day, 30 * day, 90 * day, 180 * day, 365 * day} {
		if d < longest {
			terms = append(terms, term{d.String(), lasting(d)})
		}
	}
	return append(terms, term{longest.String(), lasting(longest) + ", the longest"})
}

func newTokenView(t owntoken.Token, path string, now time.Time) tokenView {
	left := t.Expires.Sub(now)
	v := tokenView{
		ID: t.ID, Name: t.Name, Kind: string(t.Kind), Repositories: t.Repositories, Actions: t.Actions,
		Created: t.Created, Expires: t.Expires,
		Path: path + "/" + t.ID, Left: lasting(left), Soon: left < 7*day, CanRotate: t.Kind != owntoken.Identity,
	}
	for _, network := range t.From {
		v.Networks = append(v.Networks, network.String())
	}
	if !t.Used.IsZero() {
		v.Used = &t.Used
		if t.UsedFrom.IsValid() {
			v.UsedFrom = t.UsedFrom.String()
		}
	}
	return v
}

// pair has no button to rotate where one of two tokens of a name takes the place of the other.
func (v *view) pair() {
	count := map[[2]string]int{}
	for _, t := range v.Tokens {
		count[[2]string{t.Kind, t.Name}]++
	}
	for i, t := range v.Tokens {
		v.Tokens[i].CanRotate = t.CanRotate && count[[2]string{t.Kind, t.Name}] == 1
	}
}

// show has v show a token that was made just now.
func (v *view) show(t owntoken.Token, secret string) {
	login := "docker login " + shellWord(v.Host) + " -u " + shellWord(v.User)
	v.Made = &made{
		tokenView: newTokenView(t, v.Path, time.Now()), Secret: secret, Login: login,
		Stdin: `printf %s "$TOKEN" | ` + login + " --password-stdin",
	}
}

// Ticked reports whether an action is chosen.
func (w *wish) Ticked(action string) bool {
	for _, one := range w.Actions {
		if one == action {
			return true
		}
	}
	return false
}

// Choices returns the actions that there are, with what each lets somebody do.
func (v *view) Choices() [][2]string {
	words := map[string]string{"pull": "pull images", "push": "push images", "delete": "delete images and tags", "catalog": "list repositories", "extension": "use extensions of the registry"}
	var all [][2]string
	for _, action := range rules.Actions {
		all = append(all, [2]string{action, words[action]})
	}
	return all
}

// Date returns t as a day.
func (v *view) Date(t time.Time) string { return t.UTC().Format("2006-01-02") }

// Hour returns t as an hour, which is what is known of the last use.
func (v *view) Hour(t *time.Time) string { return t.UTC().Format("2006-01-02 15:00 UTC") }

// lasting says how long d is, in its largest unit that makes more than one.
func lasting(d time.Duration) string {
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"days", day}, {"hours", time.Hour}} {
		if n := d.Round(unit.long) / unit.long; n > 1 {
			return fmt.Sprintf("%d %s", n, unit.name)
		}
	}
	return fmt.Sprintf("%d min", max(1, d/time.Minute))
}

// shellWord returns s as a shell reads it back.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@:/") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
