package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"gatehouse/gateway"
)

// registered returns the names of all metrics that the program has, those of which
// nothing has been counted yet included.
func registered(t *testing.T) []string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		gateway.NewMetrics("v1", "go1").Registry().Describe(descs)
	}()
	var names []string
	for d := range descs {
		m := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("description %s has no name", d)
		}
		names = append(names, m[1])
	}
	if len(names) < 30 {
		t.Fatalf("only %d metrics are registered: %v", len(names), names)
	}
	return names
}

// metricName matches the names of metrics in a query. The names of the program's
// own begin with gatehouse_.
var metricName = regexp.MustCompile(`\b(?:gatehouse|go|process)_[a-z0-9_]+`)

// checkMetrics checks that the metrics in a query are registered. A histogram has
// series of three names.
func checkMetrics(t *testing.T, names []string, where, query string) (found []string) {
	t.Helper()
	found = metricName.FindAllString(query, -1)
	if len(found) == 0 {
		t.Errorf("%s: the query %q names no metric", where, query)
	}
	for _, name := range found {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !slices.Contains(names, name) && !slices.Contains(names, base) {
			t.Errorf("%s: the metric %s does not exist", where, name)
		}
	}
	return found
}

func readDeploy(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// dashboardPanel is what a test looks at of a panel of Grafana's classic model.
type dashboardPanel struct {
	ID          int
	Type, Title string
	Targets     []struct{ Expr string }
}

func TestDashboardShowsMetricsThatExist(t *testing.T) {
	var dashboard struct {
		ID            *int
		UID           string
		SchemaVersion int
		Editable      bool
		Panels        []dashboardPanel
		Templating    struct{ List []struct{ Name, Type string } }
	}
	text := readDeploy(t, "grafana-dashboard.json")
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.ID != nil || dashboard.UID == "" || dashboard.SchemaVersion == 0 || !dashboard.Editable {
		t.Errorf("id %v, uid %q, schema version %d, editable %v", dashboard.ID, dashboard.UID, dashboard.SchemaVersion, dashboard.Editable)
	}
	var variables []string
	for _, v := range dashboard.Templating.List {
		variables = append(variables, v.Name)
	}
	if want := []string{"datasource", "job", "instance"}; !slices.Equal(variables, want) {
		t.Errorf("variables %v, want %v", variables, want)
	}
	names, ids, shown := registered(t), map[int]bool{}, map[string]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("panel %q: the id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("panel %q of type %s has %d queries", p.Title, p.Type, len(p.Targets))
		}
		for _, target := range p.Targets {
			for _, name := range checkMetrics(t, names, "panel "+p.Title, target.Expr) {
				shown[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")] = true
			}
			if !strings.Contains(target.Expr, `job=~"$job",instance=~"$instance"`) {
				t.Errorf("panel %q: the query %q is not for the chosen instances", p.Title, target.Expr)
			}
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "gatehouse_") && !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestAlertsAreAboutMetricsThatExist(t *testing.T) {
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(readDeploy(t, "prometheus-alerts.yml"), &alerts); err != nil {
		t.Fatal(err)
	}
	names, rules := registered(t), 0
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			rules++
			checkMetrics(t, names, r.Alert, r.Expr)
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: it lacks a summary or a description", r.Alert)
			}
		}
	}
	if rules == 0 {
		t.Error("there are no rules")
	}
	for _, name := range metricName.FindAllString(string(readDeploy(t, "prometheus-alerts-test.yml")), -1) {
		checkMetrics(t, names, "prometheus-alerts-test.yml", name)
	}
}
