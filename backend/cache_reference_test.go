package backend_test

import (
	"time"

	"gatehouse/backend"
)

// A reference says what a [backend.Cache] of unlimited size must answer to one
// question after the other, and what it must ask. It has no locks, flights, lists
// or keys, and holds every password as it is.
type reference struct {
	*world
	cfg     backend.CacheConfig
	logins  map[pair]*knownLogin
	bad     map[pair]knownRefusal
	groups  map[string]knownGroups
	outages map[string]knownOutage // by question and source
	stats   backend.CacheStats
	asks    questions
}

type pair struct{ user, password string }

type knownLogin struct {
	version          uint64
	asked, confirmed time.Time
	final            bool
}

type knownRefusal struct {
	version uint64
	asked   time.Time
	verdict string
}

type knownGroups struct {
	version      uint64
	asked, login time.Time
	names        string
}

type knownOutage struct{ until, next time.Time }

func newReference(w *world, cfg backend.CacheConfig) *reference {
	r := &reference{world: w, cfg: cfg, outages: make(map[string]knownOutage)}
	r.purge()
	return r
}

func (r *reference) purge() {
	r.logins, r.bad, r.groups = make(map[pair]*knownLogin), make(map[pair]knownRefusal), make(map[string]knownGroups)
}

func (r *reference) purgeUser(user string) {
	r.drop(user)
	clear(r.bad)
}

// drop forgets the logins and groups of user.
func (r *reference) drop(user string) {
	for p := range r.logins {
		if p.user == user {
			delete(r.logins, p)
		}
	}
	delete(r.groups, user)
}

// remove forgets one login, and the groups with the last one.
func (r *reference) remove(p pair) {
	delete(r.logins, p)
	if r.latest(p.user).IsZero() {
		delete(r.groups, p.user)
	}
}

// latest returns when the youngest login of user was asked about.
func (r *reference) latest(user string) (asked time.Time) {
	for p, l := range r.logins {
		if p.user == user && l.asked.After(asked) {
			asked = l.asked
		}
	}
	return asked
}

// login returns the verdict on p, and what part the cache has in it.
func (r *reference) login(p pair) (verdict string, state backend.CacheState) {
	version := r.Version(p.user)
	if l := r.logins[p]; l != nil && l.version == version {
		switch age := time.Since(l.asked); {
		case age < r.cfg.TTL:
			return r.hit(p, l)
		case age < r.cfg.TTL+r.cfg.Stale:
			return r.renew(p)
		}
		r.remove(p)
	}
	if b, ok := r.bad[p]; ok && b.version == version && time.Since(b.asked) < r.cfg.NegativeTTL {
		return b.verdict, backend.CacheNegative
	}
	return r.ask(p), backend.CacheMiss
}

// ask asks the world about a login.
func (r *reference) ask(p pair) string {
	r.asks.logins++
	now, version := time.Now(), r.Version(p.user)
	switch v := r.verdict(p); v {
	case "":
		for other := range r.logins { // with another password, which this one takes the place of
			if other.user == p.user {
				r.remove(other)
			}
		}
		delete(r.bad, p)
		r.remove(p)
		r.logins[p] = &knownLogin{version: version, asked: now, confirmed: now}
		return v
	case "unavailable", "fault":
		return v
	default:
		if r.logins[p] != nil {
			r.drop(p.user)
		}
		r.bad[p] = knownRefusal{version, now, v}
		return v
	}
}

// hit answers with a login that counts, if it need not be confirmed.
func (r *reference) hit(p pair, l *knownLogin) (string, backend.CacheState) {
	user := p.user
	age, line := time.Since(l.confirmed), "check "+source(user)
	switch {
	case r.cfg.Revalidate < 0 || l.final || age < r.cfg.Revalidate/2:
	case r.out(line):
		if r.claim(line) {
			r.check(user, line)
		}
	case age < r.cfg.Revalidate:
		r.check(user, line)
	default:
		switch v := r.check(user, line); v {
		case "", "unavailable", "unsupported":
		case "unknown user", "wrong password":
			return r.ask(p), backend.CacheMiss // the password decides
		default:
			return v, backend.CacheMiss
		}
	}
	return "", backend.CacheHit
}

// check asks the world whether user counts still.
func (r *reference) check(user, line string) string {
	r.asks.checks++
	now, v := time.Now(), r.standing(user)
	r.heed(line, v)
	switch v {
	case "", "unsupported":
		for p, l := range r.logins {
			if p.user == user {
				l.confirmed, l.final = now, v != ""
			}
		}
		if v != "" {
			return v
		}
		r.stats.Checks.OK++
		if _, known := r.groups[user]; known {
			r.askGroups(user)
		}
	case "unavailable":
		r.stats.Checks.Unavailable++
	case "fault":
		r.stats.Checks.Failed++
	default:
		r.stats.Checks.Refused++
		r.drop(user)
	}
	return v
}

// renew answers with a login that counts only while the world is out.
func (r *reference) renew(p pair) (string, backend.CacheState) {
	line := "login " + source(p.user)
	if r.out(line) {
		if r.claim(line) {
			r.heed(line, r.ask(p))
		}
		return "", backend.CacheStale
	}
	v := r.ask(p)
	if r.heed(line, v); v == "unavailable" {
		return "", backend.CacheStale
	}
	return v, backend.CacheMiss
}

// members returns the groups of user in one string, and what went wrong.
func (r *reference) members(user string) (names, verdict string, state backend.CacheState) {
	g, known := r.groups[user]
	if !known || g.version != r.Version(user) {
		names, verdict = r.askGroups(user)
		return names, verdict, backend.CacheMiss
	}
	age, since, alone := time.Since(g.asked), time.Since(g.login), g.login.IsZero()
	switch {
	case age < r.cfg.GroupsTTL && (alone || since < r.cfg.TTL):
		return g.names, "", backend.CacheHit
	case age < r.cfg.GroupsTTL+r.cfg.Stale && !alone && since < r.cfg.TTL+r.cfg.Stale:
		return r.renewGroups(user, g)
	}
	delete(r.groups, user)
	names, verdict = r.askGroups(user)
	return names, verdict, backend.CacheMiss
}

func (r *reference) renewGroups(user string, g knownGroups) (names, verdict string, state backend.CacheState) {
	line := "groups " + source(user)
	if r.out(line) {
		if r.claim(line) {
			_, v := r.askGroups(user)
			r.heed(line, v)
		}
		return g.names, "", backend.CacheStale
	}
	names, verdict = r.askGroups(user)
	if r.heed(line, verdict); verdict == "unavailable" {
		return g.names, "", backend.CacheStale
	}
	return names, verdict, backend.CacheMiss
}

func (r *reference) askGroups(user string) (names, verdict string) {
	r.asks.groups++
	names, verdict = r.list(user)
	switch verdict {
	case "":
		r.groups[user] = knownGroups{r.Version(user), time.Now(), r.latest(user), names}
	case "unavailable", "fault":
	default:
		r.drop(user)
	}
	return names, verdict
}

func (r *reference) out(line string) bool { return time.Now().Before(r.outages[line].until) }

func (r *reference) claim(line string) bool { return !time.Now().Before(r.outages[line].next) }

// count counts an answer.
func count(a *backend.CacheAnswers, s backend.CacheState) {
	switch s {
	case backend.CacheHit:
		a.Hit++
	case backend.CacheMiss:
		a.Miss++
	case backend.CacheNegative:
		a.Negative++
	case backend.CacheStale:
		a.Stale++
	}
}

func (r *reference) heed(line, verdict string) {
	if delete(r.outages, line); verdict == "unavailable" {
		now := time.Now()
		r.outages[line] = knownOutage{now.Add(r.cfg.Timeout + 5*time.Second), now.Add(time.Second)}
	}
}
