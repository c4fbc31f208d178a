package assemble

import (
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/backend/spell"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
)

// standings are the states of an account with which tokens can end, the first of them always.
var standings = []backend.Standing{backend.Gone, backend.Disabled, backend.Expired, backend.Locked, backend.PasswordExpired, backend.MustChange}

// diesWith returns the states of an account with which tokens end.
func diesWith(c *config.Document) (states []backend.Standing) {
	for _, state := range c.Tokens.DiesWith {
		if s := backend.Standing(state); slices.Contains(standings, s) { // another one is in the report
			states = append(states, s)
		}
	}
	if !slices.Contains(states, backend.Gone) {
		states = append(states, backend.Gone)
	}
	return states
}

// StorePath returns the path of the file with the tokens that accounts own, empty for none.
func (a *Assembly) StorePath() string {
	return a.Config.Origin.File(a.Config.Tokens.StoreFile, "tokens", "store_file")
}

// OwnTokens returns what bounds the tokens that accounts own.
func (a *Assembly) OwnTokens() owntoken.Config {
	t := a.Config.Tokens
	return owntoken.Config{PerUser: t.PerUser, MaxTTL: t.MaxTTL.Duration, RobotMaxTTL: t.RobotMaxTTL.Duration, AllowDNAnchor: t.AllowDNAnchor}
}

// HostsOf returns names of hosts at which users of a backend can log in, none for any.
func (a *Assembly) HostsOf(name string) (hosts []string) {
	for _, r := range a.Gateway.Routes {
		for _, host := range r.Hosts {
			if slices.Contains(r.Backends, name) && !strings.HasPrefix(host, "*") && !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// checkOwnTokens checks what [tokens] says of those that accounts own, when the routes are
// known. It opens nothing: one process at a time has the file.
func (a *Assembly) checkOwnTokens() {
	t, origin := a.Config.Tokens, a.Config.Origin
	if !origin.Has("tokens") {
		return
	}
	a.checkDiesWith(t.DiesWith)
	if t.SelfService != "" {
		if err := gateway.CheckSelfServicePath(t.SelfService, a.Config.Health.Path, a.Gateway.Routes); err != nil {
			a.Report.Errorf(origin.At("tokens", "self_service"), "%v", err)
		}
	}
	if t.StoreFile != "" || t.IdentityTTL.Duration > 0 {
		a.warnOfUnfollowed()
	}
	switch {
	case t.StoreFile != "" && a.StorePath() == origin.File(t.StateFile, "tokens", "state_file"):
		a.Report.Errorf(origin.At("tokens", "store_file"), "store_file and state_file are the same file, and hold different things: name another one")
	case t.StoreFile != "":
		a.checkPlace(origin.At("tokens", "store_file"), a.StorePath(), 0)
	case t.SelfService != "":
		a.Report.Errorf(origin.At("tokens", "self_service"), "self_service needs a store_file, in which the tokens are kept that people make on that page")
	}
}

// checkDiesWith checks the states of accounts with which their tokens end.
func (a *Assembly) checkDiesWith(states []string) {
	known := make([]string, len(standings))
	for i, s := range standings {
		known[i] = string(s)
	}
	at := func(path ...any) config.Place {
		return a.Config.Origin.At(append([]any{"tokens", "dies_with"}, path...)...)
	}
	for i, state := range states {
		switch {
		case !slices.Contains(known, state):
			a.Report.Errorf(at(i), "unknown state %q (known: %s)%s", state, strings.Join(known, ", "), spell.DidYouMean(state, known))
		case slices.Contains(states[:i], state):
			a.Report.Errorf(at(i), "%q is there twice: take one of them out", state)
		}
	}
	if !slices.Contains(states, known[0]) {
		a.Report.Errorf(at(), "dies_with lacks %q: a token must not outlive its account; add it", known[0])
	}
}

// Follows reports whether the backend called name can tell without a password what becomes
// of accounts of which it shows what names them for good.
func (a *Assembly) Follows(name string) bool {
	someone := backend.Identity{User: "user", Handle: "handle", Anchor: "kind:value"}
	leaf := a.Stack(name).Leaf
	return leaf != nil && backend.Extend(leaf).Follows(someone)
}

// warnOfUnfollowed names the backends whose users can have no tokens but those for requests.
func (a *Assembly) warnOfUnfollowed() {
	for i, table := range a.Config.Backends {
		if a.Stack(table.Name()).Leaf != nil && !a.Config.IsComposite(table) && !a.Follows(table.Name()) {
			a.Report.Warnf(a.Config.Origin.At("backend", i, "name"), "users of the backend %q can have no tokens of their own, and docker login keeps their passwords: without a service account nobody can see what becomes of an account; set bind_dn", table.Name())
		}
	}
}

// noteOwnTokens says what the choices mean that were made for tokens.
func (a *Assembly) noteOwnTokens(notes *config.Report) {
	t, origin := a.Config.Tokens, a.Config.Origin
	if t.StoreFile != "" && t.AllowDNAnchor {
		notes.Warnf(origin.At("tokens", "allow_dn_anchor"), "%s", dnAnchorText)
	}
	if t.StoreFile == "" && t.IdentityTTL.Duration > 0 {
		notes.Warnf(origin.At("tokens", "identity_ttl"), "without a store_file nobody can list what docker login keeps, or end one of them alone")
	}
}

const dnAnchorText = "where a directory shows none of entryUUID, objectGUID, nsUniqueId and ipaUniqueID, an account is known by its name alone: its tokens end when it is moved, and an account that is made anew under the name has the tokens of the one before; revoke the tokens of whoever leaves"
