package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"gatehouse/cmd/gatehouse/config"
)

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

// composeFile is what matters of deploy/compose.yaml.
type composeFile struct {
	Services map[string]composeService
	Networks map[string]struct{ Internal bool }
}

type composeService struct {
	Ports, Networks, Volumes []string
	ReadOnly                 bool     `yaml:"read_only"`
	CapDrop                  []string `yaml:"cap_drop"`
	SecurityOpt              []string `yaml:"security_opt"`
	StopGracePeriod          string   `yaml:"stop_grace_period"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal([]byte(readRoot(t, "deploy/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// The registry asks nobody for a password: it must not be reached past gatehouse.
func TestComposeRegistryIsReachedThroughGatehouseOnly(t *testing.T) {
	c := readCompose(t)
	registry := c.Services["registry"]
	if len(registry.Ports) != 0 {
		t.Errorf("the registry publishes the ports %v", registry.Ports)
	}
	if len(registry.Networks) == 0 {
		t.Error("the registry is on the default network, which is not internal")
	}
	for _, network := range registry.Networks {
		if !c.Networks[network].Internal {
			t.Errorf("the registry is on the network %s, which is not internal", network)
		}
		if !slices.Contains(c.Services["gatehouse"].Networks, network) {
			t.Errorf("gatehouse is not on the registry's network %s", network)
		}
	}
}

func TestComposeGatehouseHasNoMoreThanItNeeds(t *testing.T) {
	g := readCompose(t).Services["gatehouse"]
	if !g.ReadOnly || !slices.Equal(g.CapDrop, []string{"ALL"}) || !slices.Contains(g.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("gatehouse could write to its root, or gain rights: %+v", g)
	}
	for _, volume := range g.Volumes {
		if !strings.HasSuffix(volume, ":ro") {
			t.Errorf("gatehouse may write to %s", volume)
		}
	}
	if grace, err := time.ParseDuration(g.StopGracePeriod); err != nil || grace <= config.Defaults().Drain.Duration {
		t.Errorf("stop_grace_period is %q: running uploads would not get all of drain (%v)", g.StopGracePeriod, config.Defaults().Drain)
	}
}

// What the configuration names is mounted, and by its folder: a file that is
// mounted alone stays the old one when another takes its name.
func TestComposeMountsWhatTheConfigurationNames(t *testing.T) {
	g := readCompose(t).Services["gatehouse"]
	var folders []string
	for _, volume := range g.Volumes {
		folders = append(folders, strings.Split(volume, ":")[1])
	}
	config := readRoot(t, "deploy/config.toml")
	files := []string{"config.toml"}
	for _, file := range regexp.MustCompile(`_file = "(.*)"`).FindAllStringSubmatch(config, -1) {
		files = append(files, file[1])
	}
	for _, file := range files {
		at := path.Join("/etc/gatehouse", file)
		if !slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(at, folder+"/") }) {
			t.Errorf("no folder is mounted in which %s is", at)
		}
	}
	for _, port := range g.Ports {
		_, inside, _ := strings.Cut(port, ":")
		if !strings.Contains(config, `listen = [":`+inside+`"]`) || !strings.Contains(readRoot(t, "Dockerfile"), "\nEXPOSE "+inside+"\n") {
			t.Errorf("port %s is not the one that the configuration and the image name", inside)
		}
	}
}

// The image holds one static program that runs as nobody.
func TestImageHoldsTheProgramAlone(t *testing.T) {
	dockerfile := readRoot(t, "Dockerfile")
	_, last, _ := strings.Cut(dockerfile, "\nFROM scratch\n")
	if last == "" || strings.Contains(last, "\nFROM ") || strings.Contains(last, "RUN ") {
		t.Error("the image is not made from scratch")
	}
	if !strings.Contains(dockerfile, "RUN CGO_ENABLED=0 go build -trimpath ") {
		t.Error("the program in the image would need a C library")
	}
	if !regexp.MustCompile(`\nUSER [1-9]\d*:[1-9]\d*\n`).MatchString(last) {
		t.Error("the image runs as root, or as a name that nothing in it knows")
	}
	ignore := readRoot(t, ".dockerignore")
	if !strings.Contains(ignore, "\n*\n") {
		t.Error(".dockerignore lets in what it does not know")
	}
	for _, name := range regexp.MustCompile(`(?m)^!(.*)$`).FindAllStringSubmatch(ignore, -1) {
		if _, err := os.Stat(filepath.Join(root, name[1])); err != nil {
			t.Errorf(".dockerignore: %v", err)
		}
	}
}
