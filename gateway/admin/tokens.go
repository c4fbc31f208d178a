package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
)

// Tokens are those that accounts own, for those who run the gateway. By is who asks, as logs
// name that. The errors wrap [ErrMalformed] where what is asked for makes no sense,
// [owntoken.ErrNone] where there is no such token, and [backend.ErrUnavailable] where nobody
// could be asked, or nothing kept.
type Tokens interface {
	// Create makes a token.
	Create(ctx context.Context, by string, o TokenOrder) (MadeToken, error)

	// Rotate makes another token in place of the one with a name or an ID, which is good
	// for overlap longer.
	Rotate(ctx context.Context, by, token string, overlap time.Duration) (MadeToken, error)

	// Revoke ends tokens. What could be done is in the result, also with an error.
	Revoke(ctx context.Context, by string, w Whose) (Revoked, error)

	// List returns the tokens that have not ended, the oldest first; with w.All also
	// those that have.
	List(ctx context.Context, w Whose) ([]ShownToken, error)

	// Show says of the token with an ID or a secret what it is, and whether it counts.
	Show(ctx context.Context, token string) (ShownToken, error)
}

// ErrMalformed says that a question to the socket makes no sense.
var ErrMalformed = errors.New("the question makes no sense")

// TokenOrder is what somebody asks for who wants a token made.
type TokenOrder struct {
	Name string `json:"name"`

	// User is whose token it is, of the backend of that name, or of the only one that
	// knows the user.
	User    string `json:"user,omitempty"`
	Backend string `json:"backend,omitempty"`

	// Robot says that it is the token of a robot, and Owner who answers for that, as
	// rules say it, such as "group corp:team".
	Robot bool   `json:"robot,omitempty"`
	Owner string `json:"owner,omitempty"`

	Repositories []string      `json:"repositories,omitempty"`
	Actions      []string      `json:"actions,omitempty"`
	From         []string      `json:"from,omitempty"`
	TTL          time.Duration `json:"ttl,omitempty"` // 0 for as long as possible
}

// Whose says which tokens are meant: those of which one of the fields says so.
type Whose struct {
	IDs     []string `json:"ids,omitempty"`
	User    string   `json:"user,omitempty"`    // all of the user, in any spelling of the name
	Robot   string   `json:"robot,omitempty"`   // the robot of that name
	Backend string   `json:"backend,omitempty"` // all of users and groups of the backend; beside User: of this one alone
	All     bool     `json:"all,omitempty"`
}

// MadeToken is a token that was just made.
type MadeToken struct {
	owntoken.Token
	Secret string   `json:"secret"` // which is shown this once
	Login  string   `json:"login"`  // name to log in by
	Hosts  []string `json:"hosts"`  // at which the owner can log in; empty for any
}

// ShownToken is what there is to say of a token.
type ShownToken struct {
	owntoken.Token
	Counts bool   `json:"counts"`
	Code   string `json:"code,omitempty"` // of why it does not
	Why    string `json:"why,omitempty"`

	// Unknown says that the backend of the owner could not be asked.
	Unknown bool `json:"unknown,omitempty"`
}

// Revoked says which tokens were ended.
type Revoked struct {
	User string `json:"user"` // empty for others than those of one user
	Own  int    `json:"own"`  // tokens that accounts own and that had not ended before

	// Issued says that those were ended too which the gateway had issued to clients.
	Issued bool `json:"issued"`
}

// addTokens serves the tokens that accounts own.
func (s *Server) addTokens(mux *http.ServeMux) {
	mux.HandleFunc("POST /tokens", s.createToken)
	mux.HandleFunc("POST /tokens/list", s.listTokens)
	mux.HandleFunc("POST /tokens/show", s.showToken)
	mux.HandleFunc("POST /tokens/rotate", s.rotateToken)
	mux.HandleFunc("POST /revoke", s.revoke)
}

// maxQuestion bounds the body of a request.
const maxQuestion = 1 << 20

// read decodes the body of a request, which has nothing but what v has.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more behind it")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w; is the program that asks of the same version as the one that runs?", ErrMalformed, err)
	}
	return nil
}

// readBy is read for what changes something, and returns who asks.
func (s *Server) readBy(w http.ResponseWriter, r *http.Request, v any) (by string, err error) {
	if by, err = peerOf(r.Context()); err != nil {
		return "", err
	}
	return by, read(w, r, v)
}

// respond answers with what came of a question.
func respond(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		reply(w, http.StatusOK, v)
	case errors.Is(err, ErrMalformed):
		failWith(w, http.StatusBadRequest, err)
	case errors.Is(err, backend.ErrUnavailable):
		failWith(w, http.StatusServiceUnavailable, err)
	default:
		failWith(w, http.StatusUnprocessableEntity, err)
	}
}

func (s *Server) createToken(w http.ResponseWriter, r *http.Request) {
	var o TokenOrder
	by, err := s.readBy(w, r, &o)
	var made MadeToken
	if err == nil {
		made, err = s.cfg.Tokens.Create(r.Context(), by, o)
	}
	respond(w, made, err)
}

func (s *Server) rotateToken(w http.ResponseWriter, r *http.Request) {
	var q TokenRotation
	by, err := s.readBy(w, r, &q)
	var made MadeToken
	if err == nil {
		made, err = s.cfg.Tokens.Rotate(r.Context(), by, q.Token, q.Overlap)
	}
	respond(w, made, err)
}

// TokenRotation asks for another token in place of one with a name or an ID.
type TokenRotation struct {
	Token   string        `json:"token"`
	Overlap time.Duration `json:"overlap,omitempty"`
}

// TokenQuestion asks about the token with an ID or a secret.
type TokenQuestion struct {
	Token string `json:"token"`
}

func (s *Server) listTokens(w http.ResponseWriter, r *http.Request) {
	var q Whose
	err := read(w, r, &q)
	list := []ShownToken{}
	if err == nil {
		list, err = s.cfg.Tokens.List(r.Context(), q)
	}
	respond(w, list, err)
}

func (s *Server) showToken(w http.ResponseWriter, r *http.Request) {
	var q TokenQuestion
	err := read(w, r, &q)
	var found ShownToken
	if err == nil {
		found, err = s.cfg.Tokens.Show(r.Context(), q.Token)
	}
	respond(w, found, err)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	var q Whose
	by, err := s.readBy(w, r, &q)
	var done Revoked
	if err == nil {
		done, err = s.cfg.Tokens.Revoke(r.Context(), by, q)
	}
	respond(w, done, err)
}
