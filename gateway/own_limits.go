package gateway

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
)

// maxKeptLimits is of how many tokens the limits are kept as rules read them.
const maxKeptLimits = 4096

// ownLimits are the limits of tokens as rules read them, by the IDs of the tokens: those of
// a token never change.
type ownLimits struct {
	kept *lru.Cache[string, rules.Limit]
}

func newOwnLimits() *ownLimits {
	kept, _ := lru.New[string, rules.Limit](maxKeptLimits) // which fails for a size of 0 alone
	return &ownLimits{kept}
}

// of returns the limit of t. Its error says that nobody can tell what t is for.
func (l *ownLimits) of(t owntoken.Token) (rules.Limit, error) {
	if t.Repositories == nil && t.Actions == nil {
		return rules.Limit{}, nil
	}
	if limit, ok := l.kept.Get(t.ID); ok {
		return limit, nil
	}
	limit, err := rules.NewLimit(t.Repositories, t.Actions)
	if err == nil {
		l.kept.Add(t.ID, limit)
	}
	return limit, err
}
