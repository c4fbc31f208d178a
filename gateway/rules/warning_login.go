package rules

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/backend"
)

// withoutLogin warns of a rule that refuses "docker login" to people whom other rules
// let pull. Docker asks for the root of the registry when somebody logs in, and keeps
// no password that is refused there. Later it asks for the root without a password.
func (p *Policy) withoutLogin(r *rule) []string {
	if p.registry == "" || p.deciding(Request{Method: http.MethodGet, Path: p.registry}) != r {
		return nil
	}
	var shut []string
	for i := range p.route.Rules {
		e := &p.rules[i]
		if e == r || !e.coversMethod(methodBit(http.MethodGet)) || !p.concernsRegistry(e) || e.admitsStrangers() || len(p.hidden(i)) > 0 {
			continue
		}
		for _, s := range p.samples(e.require) {
			if s.isShutOut(e.require, r.require) {
				shut = append(shut, fmt.Sprintf("%s (rule %q)", s.words(), e.Name))
			}
		}
	}
	if len(shut) == 0 {
		return nil
	}
	if more := len(shut) - maxShutOut; more > 0 {
		shut = append(shut[:maxShutOut], fmt.Sprintf("%d more", more))
	}
	anybody := p.newRule(Request{Method: http.MethodGet, Path: p.registry}, []string{validUser{}.String()})
	return []string{fmt.Sprintf(`it refuses GET %s, which is "docker login", to people whom other rules let pull: %s; put %s before it, or give it paths that %s is not among`,
		p.registry, strings.Join(shut, ", "), anybody, p.registry)}
}

const (
	maxShutOut = 5  // that a warning names
	maxSamples = 64 // that are made of a requirement
)

// sample is a request by somebody who meets a requirement, if anybody does.
type sample struct {
	who    Subject
	source netip.Addr
	needs  []string // what was asked for
}

func (s sample) words() string { return strings.Join(s.needs, " and ") }

// isShutOut reports whether s meets the requirement may, and not must.
func (s sample) isShutOut(may, must Requirement) bool {
	req := Request{Source: s.source}
	return may.eval(req, s.who) == Allowed && must.eval(req, s.who).settled() == Denied
}

// someone is the name of a user whom no rule names: no login can have it.
const someone = "\x00"

// samples returns one for each way to meet r, as far as there are few. Not all of them
// meet it.
func (p *Policy) samples(r Requirement) []sample {
	list := []sample{{who: Subject{LoggedIn: true, GroupsKnown: true, Identity: backend.Identity{User: someone}}, source: netip.IPv6Unspecified()}}
	switch r := r.(type) {
	case anyOf:
		list = nil
		for _, part := range r {
			list = append(list, p.samples(part)...)
		}
	case allOf:
		for _, part := range r {
			list = combine(list, p.samples(part))
		}
	case network:
		list[0].source, list[0].needs = r.Addr(), []string{r.String()}
	case principal:
		list[0].who, list[0].needs = p.sampleOf(r), []string{r.String()}
	default:
		list[0].needs = []string{r.String()}
	}
	return list[:min(len(list), maxSamples)]
}

// sampleOf returns somebody who is n, or in that group and in no other.
func (p *Policy) sampleOf(n principal) Subject {
	who := Subject{LoggedIn: true, GroupsKnown: true, Identity: backend.Identity{User: someone, Source: n.source}}
	if n.source == "" && len(p.route.Backends) > 0 {
		who.Identity.Source = p.route.Backends[0]
	}
	if name := n.spelledBy(who.Identity.Source); n.kind == groupKind {
		who.Groups = []string{name}
	} else {
		who.Identity.User = name
	}
	return who
}

// combine returns what meets both one of a and one of b. Of two users, or of two
// addresses, a request has one.
func combine(a, b []sample) []sample {
	var list []sample
	for _, x := range a {
		for _, y := range b {
			both := x
			if y.who.Identity.User != someone {
				both.who.Identity.User = y.who.Identity.User
			}
			if y.who.Identity.Source != "" {
				both.who.Identity.Source = y.who.Identity.Source
			}
			if !y.source.IsUnspecified() {
				both.source = y.source
			}
			both.who.Groups = slices.Concat(x.who.Groups, y.who.Groups)
			both.needs = slices.Concat(x.needs, y.needs)
			list = append(list, both)
		}
	}
	return list[:min(len(list), maxSamples)]
}
