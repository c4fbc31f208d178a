package config

import "time"

// Defaults are the values of the keys that are not set.
func Defaults() Settings {
	return Settings{
		Listen:    []string{":5043"},
		Drain:     Duration{5 * time.Minute},
		AccessLog: "json",
		LogLevel:  "info",
		Cache: Cache{
			Size:        10000,
			TTL:         Duration{5 * time.Minute},
			NegativeTTL: Duration{30 * time.Second},
			Revalidate:  Duration{time.Minute},
		},
		Flood: Flood{
			Enabled:         true,
			SourcePerMinute: 60,
			SourceBurst:     100,
			TotalPerSecond:  20,
			TotalBurst:      200,
		},
		Tokens: Tokens{
			TTL:         Duration{time.Hour},
			UploadGrace: Duration{12 * time.Hour},
			MaxTTL:      Duration{90 * 24 * time.Hour},
			RobotMaxTTL: Duration{365 * 24 * time.Hour},
			PerUser:     20,
			DiesWith:    []string{"gone", "disabled", "expired"},
		},
		Refusals: Refusals{
			Floor:   Duration{100 * time.Millisecond},
			Ceiling: Duration{time.Second},
		},
		Timeouts: defaultTimeouts(),
		Limits: Limits{
			Connections:         16384,
			PerAddress:          1000,
			Handshakes:          4096,
			Streams:             128,
			UpstreamConnections: 4096,
			UpstreamPerClient:   1024,
			UpstreamQueue:       1024,
			HeadBytes:           32 << 10,
			HeadFields:          100,
			BodyRate:            1024,
			BodyWindow:          Duration{time.Minute},
		},
	}
}

// defaultTimeouts are those of [timeouts].
func defaultTimeouts() Timeouts {
	return Timeouts{
		Handshake:      Duration{10 * time.Second},
		Header:         Duration{30 * time.Second},
		Idle:           Duration{2 * time.Minute},
		BodyIdle:       Duration{5 * time.Minute},
		Connect:        Duration{10 * time.Second},
		Response:       Duration{time.Minute},
		UploadResponse: Duration{15 * time.Minute},
		Login:          Duration{10 * time.Second},
	}
}

// The defaults of a [[route]].
const (
	DefaultRealm     = "Registry Authentication" // of realm
	DefaultChallenge = "basic"                   // of challenge

	DefaultUpstreamTokenIssuer  = "gatehouse" // of upstream_token_issuer
	DefaultUpstreamTokenService = "registry"  // of upstream_token_service

	DefaultUpstreamIdleTimeout = 30 * time.Second // of upstream_idle_timeout
)
