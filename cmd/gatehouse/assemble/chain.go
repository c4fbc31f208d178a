package assemble

import (
	"gatehouse/backend"
	"gatehouse/backend/chain"
	"gatehouse/cmd/gatehouse/config"
)

// chainKeys are the keys of a [[backend]] of type chain.
type chainKeys struct {
	Members     []memberKeys `toml:"member"`       // the backends that are asked, in this order, until one knows the user
	ExtraGroups []string     `toml:"extra_groups"` // backends that are also asked, by name, for the groups of a user that another knows
}

// memberKeys is one member of a chain.
type memberKeys struct {
	Backend         string `toml:"backend"`                             // name of the `[[backend]]`
	OnWrongPassword string `toml:"on_wrong_password" oneof:"stop next"` // whether the next member is asked where this one knows the user, but not with this password, or has locked the account
	OnUnavailable   string `toml:"on_unavailable" oneof:"stop next"`    // whether the next member is asked if this one cannot be asked; if no other member knows the user, the answer is still 503
}

// mentions returns where k names other backends.
func (k chainKeys) mentions() []config.Mention {
	var list []config.Mention
	for i, m := range k.Members {
		list = append(list, config.Mention{Name: m.Backend, Path: []any{"member", i, "backend"}, Vouches: true})
	}
	for i, name := range k.ExtraGroups {
		list = append(list, config.Mention{Name: name, Path: []any{"extra_groups", i}, Vouches: false})
	}
	return list
}

// openChain makes a chain of backends that are open. It makes none where one of
// them is not: what is wrong with that has been reported.
func openChain(k chainKeys, t backendTable) (backend.Backend, error) {
	if len(k.Members) == 0 {
		t.errorf("member", "a chain needs members, or nobody could log in: write member = [ { backend = \"…\" } ] with the names of other backends")
		return nil, nil
	}
	for _, m := range k.mentions() {
		if t.other(m.Name) == nil {
			return nil, nil
		}
	}
	var c chain.Config
	for _, m := range k.Members {
		c.Members = append(c.Members, chain.Member{
			Name:                m.Backend,
			Backend:             t.other(m.Backend),
			NextOnWrongPassword: m.OnWrongPassword == "next",
			NextOnUnavailable:   m.OnUnavailable == "next",
		})
	}
	for _, name := range k.ExtraGroups {
		c.ExtraGroups = append(c.ExtraGroups, chain.Lender{Name: name, Backend: t.other(name)})
	}
	b, err := chain.New(c)
	if err != nil {
		return nil, err
	}
	return b, nil
}
