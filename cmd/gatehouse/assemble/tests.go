package assemble

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/backend/spell"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway/rules"
)

// runTests reports each [[test]] that the rules do not pass. Rules that cannot be
// compiled are reported elsewhere.
func (a *Assembly) runTests() {
	if len(a.Config.Tests) == 0 {
		return
	}
	q, err := explain.New(a.Setting())
	if err != nil {
		return
	}
	first := len(a.Report)
	for i, t := range a.Config.Tests {
		a.runTest(i, t, q)
	}
	a.Report.KeepPrivate(first)
}

func (a *Assembly) runTest(i int, t config.Test, q *explain.Inquiry) {
	requests, asker, ok := a.checkTest(i, t, q)
	if !ok {
		return
	}
	all, err := asker.AskAll(context.Background(), requests)
	var open explain.HostError
	switch {
	case errors.As(err, &open):
		a.Report.Errorf(a.testAt(i, "request"), "%s: %s", t.Request, open.Text(fmt.Sprintf("add a line such as host = %q to the test", open.Sample())))
		return
	case err != nil:
		a.Report.Errorf(a.testAt(i, "request"), "%s: %v", t.Request, err)
		return
	}
	e := explain.Decisive(all)
	switch {
	case string(e.Verdict) != t.Expect:
		a.Report.Codef("config.test_failed", a.testAt(i, "expect"), fmt.Sprintf("%s by %s: want %s, and the answer is %s: %s", t.Request, e.User.Words(), t.Expect, e.Verdict, e.Why()))
	case t.Rule != "" && t.Rule != e.Rule:
		a.Report.Codef("config.test_failed", a.testAt(i, "rule"), fmt.Sprintf("%s by %s: want rule %q to decide, and the answer (%s) comes otherwise: %s", t.Request, e.User.Words(), t.Rule, e.Verdict, e.Why()))
	case len(e.Rules) == 0 && e.Status != http.StatusNotFound: // which is about the routes
		a.Report.Warnf(a.testAt(i, "request"), "this test passes whatever the rules say: %s", e.Why())
	}
}

// checkTest returns the requests that a test is about, and the inquiry by whoever sends them.
func (a *Assembly) checkTest(i int, t config.Test, q *explain.Inquiry) (requests []explain.Request, asker *explain.Inquiry, ok bool) {
	errs := len(a.Report)
	words := strings.Fields(t.Request)
	if len(words) == 0 {
		a.missing("request", "say what is asked about, such as request = \"push team/app\"", "test", i)
	} else if planned, err := explain.Plan(words, ""); err != nil {
		a.Report.Errorf(a.testAt(i, "request"), "%v", err)
	} else {
		requests = planned
	}
	if t.Expect == "" {
		a.missing("expect", "say what the answer has to be: allow, deny or login", "test", i)
	}
	if t.User == "" && (len(t.Groups) > 0 || t.Backend != "" || t.Via != "") {
		a.missing("user", "there is nobody to have groups, a backend or a way to log in", "test", i)
	}
	if names := a.ruleNames(); t.Rule != "" && !slices.Contains(names, t.Rule) {
		a.Report.Errorf(a.testAt(i, "rule"), "there is no rule called %q%s", t.Rule, spell.DidYouMean(t.Rule, names))
	}
	from, err := explain.ParseFrom(t.From)
	if err != nil {
		a.Report.Errorf(a.testAt(i, "from"), "%v", err)
	}
	who := explain.Claimant{Name: t.User, Backend: t.Backend, Groups: t.Groups, GroupsKnown: true, Via: rules.Way(t.Via)}
	return requests, q.By(who, from, t.Host), len(a.Report) == errs
}

// ruleNames returns the names of the rules of all routes.
func (a *Assembly) ruleNames() []string {
	names := []string{rules.BuiltinRule}
	for _, route := range a.Config.Routes {
		for _, r := range route.Rules {
			names = append(names, r.Name)
		}
	}
	return names
}

func (a *Assembly) testAt(i int, key string) config.Place { return a.Config.Origin.At("test", i, key) }
