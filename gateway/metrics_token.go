package gateway

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/backend/fault"
	"gatehouse/gateway/token"
)

// What came of a token that was sent, as metrics have it.
const (
	tokenOK         = "ok"
	tokenMalformed  = "malformed"
	tokenUnknownKey = "unknown_key"
	tokenExpired    = "expired"
	tokenEarly      = "early"
	tokenOtherHost  = "other_host"
	tokenRefused    = "refused"
	tokenRevoked    = "revoked"
	tokenScope      = "scope"
)

// What a token was asked for with.
const (
	grantPassword  = "password"
	grantRefresh   = "refresh"
	grantAnonymous = "anonymous"
)

// tokenMetrics count tokens.
type tokenMetrics struct{ issued, checked *prometheus.CounterVec }

func newTokenMetrics() tokenMetrics {
	m := tokenMetrics{
		issued:  newCounters("tokens_total", "Requests for a token, by what it was asked for with, and whether there was one.", "grant", "result"),
		checked: newCounters("tokens_checks_total", "Tokens that came with requests for which somebody has to log in, by what came of them.", "result"),
	}
	for _, grant := range []string{grantPassword, grantRefresh, grantAnonymous} {
		m.issued.WithLabelValues(grant, "issued")
		m.issued.WithLabelValues(grant, "refused")
	}
	for _, result := range []string{tokenOK, tokenMalformed, tokenUnknownKey, tokenExpired, tokenEarly, tokenOtherHost, tokenRefused, tokenRevoked, tokenScope} {
		m.checked.WithLabelValues(result)
	}
	return m
}

// countToken counts a token that came with a request.
func (x *exchange) countToken(result string) {
	if m := x.site.metrics; m != nil {
		m.tokens.checked.WithLabelValues(result).Inc()
	}
}

// countTokenRequest counts a request for a token.
func (x *exchange) countTokenRequest(grant string) {
	if m := x.site.metrics; m != nil {
		result := "refused"
		if x.issued {
			result = "issued"
		}
		m.tokens.issued.WithLabelValues(grant, result).Inc()
	}
}

// checkResult returns what came of a token that was not taken because of err.
func checkResult(err error) string {
	switch {
	case errors.Is(err, token.ErrUnknownKey):
		return tokenUnknownKey
	case fault.Of(err) == "token.expired":
		return tokenExpired
	case fault.Of(err) == "token.early":
		return tokenEarly
	case fault.Of(err) == "token.other_host":
		return tokenOtherHost
	case fault.Of(err) == "token.revoked":
		return tokenRevoked
	}
	return tokenMalformed
}
