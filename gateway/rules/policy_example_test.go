package rules_test

import (
	"fmt"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

func ExamplePolicy_Decide() {
	require, err := rules.ParseRequire([]any{"group pusher", "user ci-bot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := rules.NewPolicy(rules.Route{
		Path: "/v2/",
		Rules: []rules.Rule{{
			Name:    "push",
			Methods: []string{"POST", "PUT", "PATCH", "DELETE"},
			Paths:   []string{"/v2/team/**"},
			Require: require,
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	push := rules.Request{Method: "PUT", Path: "/v2/team/app/manifests/1"}
	bob := rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}}
	devs := bob
	devs.GroupsKnown, devs.Groups = true, []string{"devs"}
	bot := rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "ci-bot"}}
	for _, who := range []rules.Subject{{}, bob, devs, bot} {
		d := policy.Decide(push, who, nil)
		fmt.Printf("%q: %v (%s: %s)\n", who.Identity.User, d.Verdict, d.Rule, d.Requires)
	}

	// Output:
	// "": needs login (push: group pusher or user ci-bot)
	// "bob": needs groups (push: group pusher or user ci-bot)
	// "bob": denied (push: group pusher or user ci-bot)
	// "ci-bot": allowed (push: group pusher or user ci-bot)
}
