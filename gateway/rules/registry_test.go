package rules

import "testing"

func TestRegistryRoots(t *testing.T) {
	for _, tt := range []struct{ path, registry, want string }{
		{"/", "", "/v2/"}, {"/v2", "", "/v2/"}, {"/v2/", "", "/v2/"}, {"/v2/team/", "", "/v2/"}, {"/ui/", "", ""}, {"/v2x/", "", ""}, {"/nexus/v2/", "", ""},
		{"/nexus/", "/nexus/v2", "/nexus/v2/"}, {"/", "/nexus/v2/", "/nexus/v2/"}, {"/nexus/v2/team", "/nexus/v2/", "/nexus/v2/"}, {"/v2/", NoRegistry, ""},
	} {
		r := Route{Path: tt.path, Registry: tt.registry}
		if got, err := r.RegistryRoot(), r.CheckRegistry(); got != tt.want || err != nil {
			t.Errorf("%+v: root %q, %v; want %q", tt, got, err, tt.want)
		}
	}
	for _, registry := range []string{"v2/", "/nexus/", "/", "/v2x/", "/nexus/../v2/", "/*/v2/", "/ui/v2/", "/v2/v1/", "//v2/"} {
		if err := (Route{Path: "/nexus", Registry: registry}).CheckRegistry(); err == nil {
			t.Errorf("the registry %q is taken", registry)
		}
	}
}
