package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/rules"
)

// Refusal is a request that the gateway answered itself.
type Refusal struct {
	ID   string
	Time time.Time

	// Method, Target, Host and UserAgent are what the client sent, cut to a
	// length that is plenty for those who mean well.
	Method    string
	Target    string
	Host      string
	UserAgent string

	Source  netip.Addr
	Claimed string        // the user name that was sent
	Who     rules.Subject // what was found out of the user

	// Answer is what the client was told, with a trace of the rules as they
	// were then. Its verdict is Allowed for what failed behind the rules.
	Answer Answer

	// Code and Reason are why, as the log and metrics have it, and Cause is what went
	// wrong, as the log has it. None is for clients: the cause may name servers and
	// users.
	Reason fault.Reason
	Cause  string
	Code   fault.Code
}

// keptRefusals is how many refusals of each kind are kept.
const keptRefusals = 1000

// maxKeptText bounds each text of a refusal that is kept.
const maxKeptText = 2 << 10

// refusals are the last requests that were refused, for those who ask about one
// by the id that the client was shown. Kinds are kept apart: every login begins
// with a challenge, and anybody can send as much nonsense as they like, but
// neither pushes out what users are refused.
type refusals struct {
	mu    sync.Mutex
	kinds [refusalKinds]refusalRing
}

// The kinds of refusals.
const (
	challenges   = iota // 401 to requests without credentials
	ofStrangers         // of whoever nobody vouched for
	ofUsers             // of users
	refusalKinds = iota
)

// refusalRing holds the last refusals of a kind.
type refusalRing struct {
	list []refusal // up to keptRefusals of them
	next int       // to be overwritten, once there are so many
}

// refusal is a [Refusal] without what can be found out from the rest.
type refusal struct {
	Refusal
	policy *rules.Policy // of the route, nil if there was none
}

// keep remembers that x is answered with p. The texts are copies: those of the
// request, and the name of the user, share their memory with the head of the
// request or what was decoded of it, and the password in that must not stay.
func (k *refusals) keep(x *exchange, p *problem) {
	r := refusal{Refusal: Refusal{
		ID: x.id, Time: x.start,
		Method: kept(x.r.Method), Target: kept(x.sentTarget()), Host: kept(x.r.Host), UserAgent: kept(x.sentAgent()),
		Source: x.from.addr, Claimed: kept(x.claimed), Who: x.who,
		Answer: answerOf(p), Reason: p.reason(), Code: p.faultCode(),
	}}
	r.Who.Identity.User = kept(r.Who.Identity.User)
	r.Answer.Verdict = x.decision.Verdict
	if p.cause != nil {
		r.Cause = kept(p.cause.Error())
	}
	if x.route != nil && x.pageAt == nil { // where no rule is asked
		r.policy = x.route.policy
		r.Who = r.policy.WithNamesakes(r.Who, x.route.backend)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kinds[r.kind()].add(r)
}

func kept(s string) string { return strings.Clone(s[:min(len(s), maxKeptText)]) }

func (r *refusal) kind() int {
	switch {
	case r.Who.LoggedIn:
		return ofUsers
	case r.Answer.Status == http.StatusUnauthorized && r.Claimed == "" && r.Cause == "":
		return challenges
	}
	return ofStrangers
}

func (r *refusalRing) add(last refusal) {
	if len(r.list) < keptRefusals {
		r.list = append(r.list, last)
		return
	}
	r.list[r.next] = last
	r.next = (r.next + 1) % keptRefusals
}

// find returns the refusal with that id, in any case and with letters that are not
// in an id read as the digits that they are mistaken for.
func (k *refusals) find(id string) (Refusal, bool) {
	id = mistaken.Replace(strings.ToUpper(strings.TrimSpace(id)))
	r, ok := k.lookup(id)
	if ok {
		r.explain()
	}
	return r.Refusal, ok
}

func (k *refusals) lookup(id string) (refusal, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ring := range k.kinds {
		for _, r := range ring.list {
			if r.ID == id {
				return r, true
			}
		}
	}
	return refusal{}, false
}

// mistaken replaces the letters that [newID] leaves out.
var mistaken = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// explain adds to r the trace of the rules that decided. A target that was cut is
// not judged again: it is another one.
func (r *refusal) explain() {
	target, p := readTarget(r.Target)
	if r.policy == nil || p != nil || len(r.Target) == maxKeptText {
		return
	}
	req := rules.Request{Method: r.Method, Path: target.Path, Source: r.Source}
	r.policy.Decide(req, r.Who, &r.Answer.Trace)
}

// last returns the last n refusals of every kind but challenges, the latest first.
func (k *refusals) last(n int) []Refusal {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Refusal
	for _, ring := range k.kinds[challenges+1:] {
		for _, r := range ring.list {
			all = append(all, r.Refusal)
		}
	}
	slices.SortFunc(all, func(a, b Refusal) int { return b.Time.Compare(a.Time) })
	return all[:min(n, len(all))]
}

// LastRefusals returns the last n requests that were refused, the latest first,
// but for those without credentials: every login begins with one.
func (g *Gateway) LastRefusals(n int) []Refusal { return g.sites.refusals.last(n) }

// Why returns the refusal with that id, if it is one of the last of its kind.
func (g *Gateway) Why(id string) (Refusal, bool) { return g.sites.refusals.find(id) }
