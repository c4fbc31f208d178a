package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// Config is the configuration as an administrator writes it. The keys of
// Settings can also be set by the environment and by flags; see overlays.
//
// The tags say what the values may be: min and max bound durations and numbers,
// oneof lists words.
type Config struct {
	Settings

	// Backends holds the [[backend]] tables as they were written: which keys
	// one may have depends on its type, see kinds.
	Backends []BackendConfig `toml:"backend"`
	Routes   []RouteConfig   `toml:"route"`

	origin origin
	report report // what is wrong with it; see build
}

// Settings are the keys that exist once.
type Settings struct {
	Listen            []string       `toml:"listen"`
	InsecurePlaintext bool           `toml:"insecure_plaintext"`
	Drain             Duration       `toml:"drain" min:"1s" max:"24h"`
	AccessLog         string         `toml:"access_log" oneof:"json common combined off"`
	LogLevel          string         `toml:"log_level" oneof:"debug info warn error"`
	TLS               TLSConfig      `toml:"tls"`
	Cache             CacheConfig    `toml:"cache"`
	Timeouts          TimeoutsConfig `toml:"timeouts"`
}

// TLSConfig is [tls]: with it every listener speaks TLS.
type TLSConfig struct {
	CertFile string `toml:"cert_file"`
	KeyFile  string `toml:"key_file"`
}

// CacheConfig is [cache], which holds for the cache of every backend.
type CacheConfig struct {
	Size        int      `toml:"size" min:"1" max:"10000000"`
	TTL         Duration `toml:"ttl" min:"1s" max:"24h"`
	NegativeTTL Duration `toml:"negative_ttl" min:"1s" max:"1h"`
}

// TimeoutsConfig is [timeouts]; gateway.Timeouts says what each is about. Login
// bounds one question to a backend.
type TimeoutsConfig struct {
	Handshake      Duration `toml:"handshake" min:"100ms" max:"10m"`
	Header         Duration `toml:"header" min:"100ms" max:"10m"`
	Idle           Duration `toml:"idle" min:"100ms" max:"24h"`
	BodyIdle       Duration `toml:"body_idle" min:"100ms" max:"24h"`
	Connect        Duration `toml:"connect" min:"100ms" max:"10m"`
	Response       Duration `toml:"response" min:"100ms" max:"24h"`
	UploadResponse Duration `toml:"upload_response" min:"100ms" max:"24h"`
	Login          Duration `toml:"login" min:"100ms" max:"10m"`
}

// BackendConfig is one [[backend]]: its name, its type and the keys of that type.
type BackendConfig map[string]any

// Name is what routes, rules and logs call the backend.
func (b BackendConfig) Name() string { s, _ := b["name"].(string); return s }

// Type names the kind of backend.
func (b BackendConfig) Type() string { s, _ := b["type"].(string); return s }

// RouteConfig is one [[route]].
type RouteConfig struct {
	Host    string `toml:"host"`
	Path    string `toml:"path"`
	Backend string `toml:"backend"`
	Realm   string `toml:"realm"`

	ForwardAuthorization bool   `toml:"forward_authorization"`
	UserHeader           string `toml:"user_header"`
	GroupsHeader         string `toml:"groups_header"`

	Upstream                   string   `toml:"upstream"`
	UpstreamCAFile             string   `toml:"upstream_ca_file"`
	UpstreamServerName         string   `toml:"upstream_server_name"`
	UpstreamCertFile           string   `toml:"upstream_cert_file"`
	UpstreamKeyFile            string   `toml:"upstream_key_file"`
	UpstreamUser               string   `toml:"upstream_user"`
	UpstreamPasswordFile       string   `toml:"upstream_password_file"`
	UpstreamPasswordCredential string   `toml:"upstream_password_credential"`
	UpstreamPasswordEnv        string   `toml:"upstream_password_env"`
	UpstreamIdleTimeout        Duration `toml:"upstream_idle_timeout" min:"100ms" max:"24h"`

	Rules []RuleConfig `toml:"rule"`
}

// RuleConfig is one [[route.rule]].
type RuleConfig struct {
	Name    string   `toml:"name"`
	Methods []string `toml:"methods"`
	Paths   []string `toml:"paths"`

	// Require holds strings and tables; gateway.ParseRequire reads them.
	Require []any `toml:"require"`
}

// defaultSettings are the values of the keys that are not set.
func defaultSettings() Settings {
	return Settings{
		Listen:    []string{":5043"},
		Drain:     Duration{5 * time.Minute},
		AccessLog: "json",
		LogLevel:  "info",
		Cache: CacheConfig{
			Size:        10000,
			TTL:         Duration{5 * time.Minute},
			NegativeTTL: Duration{30 * time.Second},
		},
		Timeouts: TimeoutsConfig{
			Handshake:      Duration{10 * time.Second},
			Header:         Duration{30 * time.Second},
			Idle:           Duration{2 * time.Minute},
			BodyIdle:       Duration{5 * time.Minute},
			Connect:        Duration{10 * time.Second},
			Response:       Duration{time.Minute},
			UploadResponse: Duration{15 * time.Minute},
			Login:          Duration{10 * time.Second},
		},
	}
}

// The defaults of a [[route]].
const (
	defaultRealm               = "Registry Authentication"
	defaultUpstreamIdleTimeout = 30 * time.Second
)

// Duration is a length of time written with its unit. It is a struct because
// decoders take a bare number for any integer type, and 5 would be 5 ns.
type Duration struct{ time.Duration }

// UnmarshalText reads a number with a unit, such as "90s", or several of them.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with a unit, such as \"500ms\", \"30s\", \"5m\" or \"1h30m\"", text)
	}
	d.Duration = v
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// quickConfig returns the configuration that serve has without a file, from its
// flags and the environment: one registry, which every valid user may pull from
// and the members of the group pusher may push to. Groups may be empty. Without a
// certificate it listens on loopback.
func quickConfig(upstream, users, groups string, flags *pflag.FlagSet) (*Config, error) {
	c := &Config{
		Settings: defaultSettings(),
		Backends: []BackendConfig{{"name": "users", "type": "htpasswd", "users_file": users}},
		Routes: []RouteConfig{{
			Path:     "/v2/",
			Backend:  "users",
			Upstream: upstream,
			Rules: []RuleConfig{
				{Name: "pull", Methods: []string{"GET", "HEAD"}, Require: []any{"valid-user"}},
				{Name: "push", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Require: []any{"group pusher"}},
			},
		}},
		origin: origin{set: map[string]string{
			"backend":               "--users",
			"backend.0.groups_file": "--groups",
			"route":                 "--upstream",
			"tls":                   "--cert",
		}},
	}
	if groups != "" {
		c.Backends[0]["groups_file"] = groups
	}
	if err := c.overlay(nil, flags); err != nil {
		return nil, err
	}
	if c.origin.set["listen"] == "" {
		c.origin.set["listen"] = "--listen"
		if c.TLS == (TLSConfig{}) && !c.InsecurePlaintext {
			c.Listen = []string{"127.0.0.1:5043"} // what plain HTTP may be served on
		}
	}
	return c, nil
}
