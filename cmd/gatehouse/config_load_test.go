package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
)

func TestWhatIsNoConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	big, fifo := filepath.Join(dir, "big"), filepath.Join(dir, "fifo")
	err := errors.Join(os.WriteFile(big, []byte(minimal(strings.Repeat("#\n", 1<<19))), 0o600), syscall.Mkfifo(fifo, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "absent"), big, fifo, "/dev/null"} {
		if _, err := loadConfig(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names it", path, err)
		}
	}
}

// A file that is just being written may be read when it is still empty.
func TestEmptyConfigurationIsRefused(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "[cache]\n", "[[backend]]\nname = \"local\"\ntype = \"htpasswd\"\nusers_file = \"u\"\n"} {
		c, err := assemble.Kinds().Parse("config.toml", []byte(text), nil)
		if err == nil {
			err = assemble.Open(c, nil).Report.Err()
		}
		var refused *config.Error
		if !errors.As(err, &refused) {
			t.Errorf("%q: got %v, want a *configError", text, err)
		}
	}
}

func TestBuildRefusesWhatLoadFound(t *testing.T) {
	dir := workspace(t, "bad")
	c := load(t, filepath.Join(dir, "bad/unknown-key-far.toml"))
	_, err := assemble.Build(c, nil, assemble.Surroundings{})
	var refused *config.Error
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want a *configError", err)
	}
}

func TestQuickConfigIsTheRecipe(t *testing.T) {
	dir := workspace(t)
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--cert", filepath.Join(dir, "files/cert.pem"), "--key", filepath.Join(dir, "files/key.pem")}); err != nil {
		t.Fatal(err)
	}
	quick, err := quickConfig("http://registry:5000", filepath.Join(dir, "files/users"), filepath.Join(dir, "files/groups"), flags)
	if err != nil {
		t.Fatal(err)
	}
	if err := quick.Report.Err(); err != nil {
		t.Fatal(err)
	}
	got, want := assemble.Open(quick, nil), assemble.Open(load(t, filepath.Join(dir, "good/recipe.toml")), nil)
	defer got.Close()
	defer want.Close()
	if err := got.Report.Err(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*assemble.Assembly{got, want} {
		for i := range a.Gateway.Routes {
			route := &a.Gateway.Routes[i]
			if _, err := rules.NewPolicy(route.ForRules()); err != nil {
				t.Error(err)
			}
			route.Backend, route.Backends, route.Rules = nil, nil, nil
		}
	}
	if diff := cmp.Diff(want.Gateway, got.Gateway); diff != "" {
		t.Errorf("gateway.Config (-recipe +quick):\n%s", diff)
	}
	if diff := cmp.Diff(want.Config.Routes[0].Rules, got.Config.Routes[0].Rules); diff != "" {
		t.Errorf("rules (-recipe +quick):\n%s", diff)
	}
}

func TestQuickConfigListensWhereItMay(t *testing.T) {
	for _, tc := range []struct {
		flags []string
		want  string
	}{
		{nil, "127.0.0.1:5043"},
		{[]string{"--cert", "a", "--key", "b"}, ":5043"},
		{[]string{"--insecure-plaintext"}, ":5043"},
		{[]string{"--listen", ":7000"}, ":7000"},
	} {
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		config.AddFlags(flags)
		if err := flags.Parse(tc.flags); err != nil {
			t.Fatal(err)
		}
		c, err := quickConfig("http://registry:5000", "users", "", flags)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{tc.want}, c.Listen); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tc.flags, diff)
		}
	}
}

func TestQuickConfigNamesTheFlagThatIsWrong(t *testing.T) {
	users := filepath.Join(workspace(t), "files/users")
	for _, tc := range []struct{ upstream, users, groups, want string }{
		{"registry:5000", users, "", "--upstream: "},
		{"http://registry:5000", "/absent", "", "--users: "},
		{"http://registry:5000", "", "", "--users: "},
		{"http://registry:5000", users, "/absent", "--groups: "},
	} {
		c, err := quickConfig(tc.upstream, tc.users, tc.groups, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Listen = []string{"127.0.0.1:5043"}
		a := assemble.Open(c, nil)
		errs, _ := a.Report.Split()
		if len(errs) != 1 || !strings.HasPrefix(errs[0].String(), tc.want) {
			t.Errorf("%+v: got %v, want one error that begins with %q", tc, errs, tc.want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestQuickConfigWithoutGroupsWarnsThatNobodyMayPush(t *testing.T) {
	dir := workspace(t)
	for groups, want := range map[string]string{
		"":                                 "--groups: warning: rule \"push\" asks for group pusher, and nobody is in any group: --groups is not given",
		filepath.Join(dir, "files/groups"): "",
	} {
		c, err := quickConfig("http://registry:5000", filepath.Join(dir, "files/users"), groups, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := assemble.Open(c, nil)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		var got []string
		_, warnings := a.Report.Split()
		for _, w := range warnings {
			got = append(got, w.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("--groups %q: got the warnings %q, want %q", groups, got, want)
		}
	}
}
