package assemble

import (
	"fmt"
	"reflect"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/config"
)

// shieldKeys are the keys of a [[backend]] that locks accounts about the shield in
// front of it.
type shieldKeys struct {
	MaxFailures   int             `toml:"max_failures" min:"1" max:"1000"`    // wrong passwords of one user that are passed on within failure_window; less than it takes to lock the account
	FailureWindow config.Duration `toml:"failure_window" min:"1s" max:"168h"` // at least as long as the directory counts a wrong password
}

// shield returns a shield in front of b, nil if its accounts cannot get locked. It goes
// on with what the one before it has counted, which configureShields has follow the
// settings.
func (a *Assembly) shield(c config.Backend, b backend.Backend) (*backend.Shield, error) {
	if !kinds[c.Type()].locksOut {
		return nil, nil
	}
	guarded, ok := b.(backend.Guarded)
	if !ok {
		return nil, fmt.Errorf("backends of type %q cannot be kept from locking accounts", c.Type())
	}
	cfg, err := shieldConfig(a.Config, c)
	if err != nil {
		return nil, err
	}
	if before := a.stackBefore(c.Name()).Shield; before != nil {
		return before.Around(guarded), nil
	}
	return backend.NewShield(guarded, cfg)
}

// shieldConfig returns how the shield in front of a backend is made.
func shieldConfig(c *config.Document, b config.Backend) (backend.ShieldConfig, error) {
	own := config.Backend{}
	for key := range config.Fields(reflect.TypeFor[shieldKeys]()) {
		if value, ok := b[key]; ok {
			own[key] = value
		}
	}
	keys, err := config.Decode[shieldKeys](own)
	return backend.ShieldConfig{
		MaxFailures:   keys.MaxFailures,
		FailureWindow: keys.FailureWindow.Duration,
		NegativeTTL:   c.Cache.NegativeTTL.Duration,
		Timeout:       c.Timeouts.Login.Duration,
	}, err
}

// configureShields has the shields follow the settings that are not in the tables
// of their backends. What they have counted stays.
func (a *Assembly) configureShields() error {
	for _, c := range a.Config.Backends {
		s := a.Stack(c.Name()).Shield
		if s == nil {
			continue
		}
		cfg, err := shieldConfig(a.Config, c)
		if err != nil {
			return err
		}
		if err := s.Configure(cfg); err != nil {
			return err
		}
	}
	return nil
}

// flood returns a flood control in front of b, nil if there is to be none, or if it
// cannot be made, which is reported.
func (a *Assembly) flood(b backend.Backend) *backend.Flood {
	c := a.Config.Flood
	if !c.Enabled {
		return nil
	}
	f, err := backend.NewFlood(b, backend.FloodConfig{
		PerSource:   c.SourcePerMinute,
		SourceBurst: c.SourceBurst,
		Total:       c.TotalPerSecond,
		TotalBurst:  c.TotalBurst,
	})
	if err != nil {
		a.Report.Errorf(a.Config.Origin.At("flood"), "%v", err)
		return nil
	}
	return f
}
