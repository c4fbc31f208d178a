package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// user returns the user at an index, which begins anew behind the last.
func (s *server) user(l *lab, i int) credential {
	users := s.users
	if users == nil {
		users = l.Users
	}
	return users[i%len(users)]
}

// fetchTokens returns the users of the lab with the tokens that a gatehouse gives them.
func fetchTokens(ctx context.Context, l *lab, addr string) ([]credential, error) {
	transport := &http.Transport{TLSClientConfig: l.clientTLS()}
	defer transport.CloseIdleConnections()
	users := make([]credential, len(l.Users))
	for i, u := range l.Users {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/v2/token?scope=repository:bench:pull,push", nil)
		if err != nil {
			return nil, fmt.Errorf("fetch a token: %w", err)
		}
		req.Host = hostName
		req.SetBasicAuth(u.Name, u.Password)
		res, err := transport.RoundTrip(req)
		if err != nil {
			return nil, fmt.Errorf("fetch a token: %w", err)
		}
		var answer struct{ Token string }
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		if err != nil || answer.Token == "" {
			return nil, fmt.Errorf("fetch a token: %s, %w", res.Status, err)
		}
		u.Token = answer.Token
		users[i] = u
	}
	return users, nil
}
