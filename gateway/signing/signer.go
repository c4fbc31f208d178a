package signing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/backend/fault"
)

// Grant is what a token is made for: one request, as it was decided.
type Grant struct {
	User       string // who asks; empty for nobody
	Catalog    bool   // the list of all repositories
	Repository string // whose repository it is about; empty for none
	Method     string // of the request, which says what is done there
	From       string // the repository that a blob is mounted from; empty for none
}

// Times of a token. A registry allows for 60 s between its clock and ours, in either
// direction, and asks for the token once, at the head of a request.
const (
	lifetime = 5 * time.Minute
	reuse    = time.Minute // for how long a token is sent again
	early    = time.Minute // by which it counts before now
)

// ErrNotSigned says that no token could be made.
var ErrNotSigned = fault.Kind("upstream.token.not_signed", "the token for the upstream cannot be signed")

// Signer signs tokens for one service. It may be used from any number of goroutines at once.
type Signer struct {
	name   Name
	key    *Key
	jose   jose.Signer
	now    func() time.Time
	recent *recent
}

// Name is by what a registry and its tokens know each other.
type Name struct {
	Issuer  string // of the tokens
	Service string // that they are for
}

// New returns a Signer.
func New(key *Key, name Name) (*Signer, error) {
	s, err := key.signer()
	if err != nil {
		return nil, fault.With("upstream.token.key", err)
	}
	return &Signer{name: name, key: key, jose: s, now: time.Now, recent: newRecent()}, nil
}

// Key returns the key of s.
func (s *Signer) Key() *Key { return s.key }

// Name returns the name of s.
func (s *Signer) Name() Name { return s.name }

// SameAs reports whether the tokens of both are good at the same registries.
func (s *Signer) SameAs(other *Signer) bool {
	return s.name == other.name && s.key.sum() == other.key.sum()
}

// Authorization returns a token for g, as the value of the field Authorization. It may be
// one that was returned for an equal g within the last minute.
func (s *Signer) Authorization(g Grant) (string, error) {
	g.Method = class(g.Method)
	now := s.now()
	if text, ok := s.recent.get(g, now); ok {
		return text, nil
	}
	if err := s.key.checkTime(now); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	text, err := s.sign(g, now)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	text = scheme + text
	s.recent.add(g, text, now.Add(reuse))
	return text, nil
}

// scheme is what stands before a token.
const scheme = "Bearer "

// Mark returns a part of what Authorization returned, by which that is found wherever it
// turns up, and without which it is of no use.
func Mark(authorization string) string {
	return authorization[strings.LastIndexByte(authorization, '.')+1:]
}

// claims are what a token says; see the token specification of the distribution project.
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	Expires   int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	Access    []access `json:"access"`
}

type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (s *Signer) sign(g Grant, now time.Time) (string, error) {
	payload, err := json.Marshal(claims{
		Issuer: s.name.Issuer, Subject: g.User, Audience: s.name.Service, Access: g.access(),
		Expires: now.Add(lifetime).Unix(), NotBefore: now.Add(-early).Unix(), IssuedAt: now.Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := s.jose.Sign(payload)
	if err != nil {
		return "", errors.New("signing failed") // the error of a library might quote what it was given
	}
	return signed.CompactSerialize()
}

// class returns a method that registries ask the same access for as they do for method,
// empty if they ask for none.
func class(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return http.MethodGet
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return http.MethodPut
	case http.MethodDelete:
		return http.MethodDelete
	}
	return ""
}

// actions are what a registry wants to be allowed by the class of the method, of whatever is
// asked for in a repository: also the end of an upload by DELETE is a deletion to it.
var actions = map[string][]string{http.MethodGet: {"pull"}, http.MethodPut: {"pull", "push"}, http.MethodDelete: {"delete"}}

// access returns what a registry wants to be allowed for g, and nothing else.
func (g Grant) access() []access {
	list := []access{}
	switch allowed := actions[class(g.Method)]; {
	case g.Catalog && class(g.Method) == http.MethodGet:
		list = append(list, access{"registry", "catalog", []string{"*"}})
	case g.Repository != "" && allowed != nil:
		list = append(list, access{"repository", g.Repository, allowed})
	}
	if g.From != "" && g.Repository != "" {
		list = append(list, access{"repository", g.From, actions[http.MethodGet]})
	}
	return list
}
