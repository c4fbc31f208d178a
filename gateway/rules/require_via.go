package rules

func (v voucher) eval(_ Request, who Subject) Verdict {
	if !who.LoggedIn && who.Identity.Source == "" {
		return NeedsLogin
	}
	return verdictOf(v.name == who.Identity.Source)
}

func (w way) eval(_ Request, who Subject) Verdict {
	if !who.LoggedIn {
		return NeedsLogin
	}
	return verdictOf((w == byToken) == who.ByToken)
}

func (v voucher) String() string { return "backend " + written(v.name) }
func (w way) String() string     { return "via " + string(w) }

func (v voucher) rename(renamer) (Requirement, error) { return v, nil }
func (w way) rename(renamer) (Requirement, error)     { return w, nil }
