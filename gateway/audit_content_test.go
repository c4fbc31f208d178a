package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
)

// Names of repositories may hold the words of the API: the record says what the
// registry takes for the name.
func TestCODE1AuditNamesTheRepositoryThatTheRegistrySees(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		log, path := auditOf(t)
		up := newCapture(t)
		route := recipeRoute(t, up.url())
		route.Rules = []rules.Rule{
			{Name: "closed", Paths: []string{"/v2/team/blobs/**"}, Require: mustRequire(t, "user nobody")},
			{Name: "all", Require: mustRequire(t, "valid-user")},
		}
		tg := startGateway(t, func(c *Config) { change(c); c.Audit = log }, route)
		for i, r := range [][2]string{
			{"GET", "/v2/team/manifests/app" + layerPath},
			{"GET", "/v2/team/blobs/app/tags/list"},
			{"PUT", "/v2/team/manifests/app/manifests/1"},
			{"POST", "/v2/team/blobs/uploads/blobs/uploads/"},
			{"DELETE", "/v2/team/manifests/app/blobs/uploads/0b2c"},
			{"DELETE", "/v2/team/tags/list/manifests/" + layer},
			{"GET", "/v2/_catalog"},
			{"POST", "/v2/_zot/ext/search"},
			{"POST", "/v2/team/app/manifests/1"},
		} {
			tg.do(t, "push", r[0], r[1], nil)
			audited(t, path, i+1) // over HTTP/2 the answer goes out before the record
		}
		want := []record.Decision{
			{Action: "pull", Repository: "team/manifests/app", Digest: layer},
			{Action: "pull", Repository: "team/blobs/app"},
			{Action: "push", Repository: "team/manifests/app", Tag: "1"},
			{Action: "push", Repository: "team/blobs/uploads"},
			{Action: "push", Repository: "team/manifests/app"},
			{Action: "delete", Repository: "team/tags/list", Digest: layer},
			{Action: "catalog"},
			{Action: "extension"},
			{Repository: "team/app", Tag: "1"},
		}
		named := cmpopts.IgnoreFields(record.Decision{}, "Time", "ID", "Source", "Backend", "Cache", "Bytes",
			"User", "Via", "Method", "Host", "Path", "Rule", "Decision", "Status", "Code", "Reason", "Received")
		if diff := cmp.Diff(want, audited(t, path, len(want)), named); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// A mount reads another repository, and is recorded where it does or was refused for
// it. One that is taken out of the request has read nothing.
func TestAuditNamesTheRepositoryOfAMount(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		log, path := auditOf(t)
		up := newCapture(t)
		tg := startGateway(t, func(c *Config) { change(c); c.Audit = log }, mountRoute(t, up.url()))
		for i, query := range []string{"?mount=" + layer + "&from=public/b", "?mount=" + layer + "&from=private/s", "?mount=" + layer, ""} {
			tg.do(t, "alice", "POST", uploads+query, nil)
			audited(t, path, i+1)
		}
		for i, want := range []string{"public/b", "", "", ""} {
			if got := audited(t, path, 4)[i]; got.MountFrom != want || got.Action != "push" || got.Repository != "public/a" {
				t.Errorf("record %d: %s to %s, mounted from %q; want %q", i, got.Action, got.Repository, got.MountFrom, want)
			}
		}
	})
}

// The groups of a record are those that decided or might have: no others, since a
// directory may know hundreds of a user, and none where nobody asked for them.
func TestAuditNamesTheGroupsOfTheRules(t *testing.T) {
	log, path := auditOf(t)
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Backend = people{"alice": {"dev", "ops", "all staff", "team-x", "team-y"}}
	route.Rules = []rules.Rule{
		{Name: "open", Paths: []string{"/v2/open/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "teams", Repositories: []string{"teams/{group}"}, Require: mustRequire(t, "valid-user")},
		{Name: "ops", Methods: []string{"PUT"}, Require: mustRequire(t, "group ops qa")},
		{Name: "dev", Require: mustRequire(t, "group dev ops")},
	}
	tg := startGateway(t, func(c *Config) { c.Audit = log }, route)
	for i, r := range [][2]string{{"GET", "/v2/a/tags/list"}, {"PUT", "/v2/a/manifests/1"}, {"GET", "/v2/open/tags/list"}, {"GET", "/v2/teams/team-x/tags/list"}} {
		tg.do(t, "alice", r[0], r[1], nil)
		audited(t, path, i+1)
	}
	records := audited(t, path, 4)
	for i, want := range [][]string{{"ops", "dev"}, {"ops", "dev"}, nil, {"ops", "dev", "team-x"}} {
		if diff := cmp.Diff(want, records[i].Groups); diff != "" {
			t.Errorf("groups of record %d (-want +got):\n%s", i, diff)
		}
	}
}
