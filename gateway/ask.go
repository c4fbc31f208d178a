package gateway

import (
	"context"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// ask sends a request of the gateway's own to the upstream, on behalf of the client. It has
// what the client sent but for what is about the client's own request and its answer, or,
// if the answer is for all, nothing of it. It accepts answers of these types; nil for any.
func (x *exchange) ask(ctx context.Context, method, target string, types []string, forAll bool) (*upstream.Response, error) {
	t, err := strict.ParseTarget(target)
	if err != nil {
		return nil, fault.With("request.panic", err) // such a target would have been refused
	}
	if err := x.sign(); err != nil {
		return nil, err
	}
	head := x.appendLine(nil, method, t)
	head = x.appendClientFields(head, func(name string) bool {
		plain := plainName(name)
		return forAll || ofOneAnswer.has(plain) || types != nil && plain == "Accept"
	})
	head = appendField(head, "Accept-Encoding", "identity")
	if types != nil { // in one line: some servers read the first alone
		head = appendField(head, "Accept", strings.Join(types, ", "))
	}
	head = append(x.appendOwnFields(head), "\r\n"...)
	return x.trusted(x.route.upstream.RoundTrip(ctx, &upstream.Request{Method: method, Head: head}))
}

// ofOneAnswer are fields about the body of a request, and those by which a client asks for
// another form of an answer than the gateway needs.
var ofOneAnswer = newFamilies([]string{"Accept-Encoding", "Content-*", "Expect", "If-*", "Range", "Trailer"})

// within returns a context for questions of the gateway's own, which have as long as the
// upstream has to begin an answer.
func (x *exchange) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(x.ctx, x.site.timeouts.Response)
}

// lateProblem is upstreamProblem where the time for such questions has run out, or not.
func (x *exchange) lateProblem(ctx context.Context, err error) *problem {
	if ctx.Err() == context.DeadlineExceeded && !x.clientGone() {
		return x.upstreamProblem(lateError{err})
	}
	return x.upstreamProblem(err)
}

// lateError makes a failure one of time.
type lateError struct{ error }

func (e lateError) Unwrap() []error { return []error{upstream.ErrTimeout, e.error} }
