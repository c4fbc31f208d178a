package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway"
	"gatehouse/gateway/admin"
)

// checkFixed refuses a change of what has been opened when the program started.
func (d *daemon) checkFixed(c *config.Document) error {
	old := d.current.Load()
	if old == nil || reflect.DeepEqual(old.Config.Admin, c.Admin) {
		return nil
	}
	return fmt.Errorf("%s: changing [admin] %w", c.Origin.At("admin"), gateway.ErrNeedsRestart)
}

// counting returns what counts under c: nothing where nobody could look at it.
func (d *daemon) counting(c *config.Document) *gateway.Metrics {
	if !c.Admin.IsSet() {
		return nil
	}
	return d.metrics
}

// startAdmin serves what [admin] asks for until stop is called.
func (d *daemon) startAdmin() (stop func(), err error) {
	c := d.current.Load().Config
	if !c.Admin.IsSet() {
		return func() {}, nil
	}
	s, err := admin.New(admin.Config{
		Listen: c.Admin.Listen, InsecureRemote: c.Admin.InsecureRemote, Hosts: c.Admin.Hosts, Socket: c.AdminSocket(),
		PProf: c.Admin.PProf, ShowUsers: c.Admin.ShowUsers,
		Version: readVersion().Version, Gateway: d.gateway, Metrics: d.metrics, Configuration: d.describe,
		Reload: d.Reload, Purge: d.purge, Tokens: tokenDesk{d}, Probe: d.probe, Why: d.why, Log: d.log,
	})
	if err != nil {
		return nil, err
	}
	if err := s.Listen(); err != nil {
		return nil, err
	}
	d.log.Info("admin", "addresses", strings.Join(addresses(s), " "))
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return func() {
		err := s.Close()
		if e := <-served; e != nil {
			err = e
		}
		if err != nil {
			d.log.Error("admin", "error", err)
		}
	}, nil
}

// describe says which configuration is in use.
func (d *daemon) describe() admin.Configuration {
	s := d.Status()
	reload := admin.Reload{Time: s.At, OK: s.Err == nil, Seconds: s.Took.Seconds()}
	if s.Err != nil {
		reload.Error, reload.Code = d.shown(s.Err), string(fault.Of(s.Err))
	}
	return admin.Configuration{File: d.source.name, Hash: s.Hash, Loaded: s.Since, LastReload: reload}
}

// shown returns what the status says of an error in a configuration.
func (d *daemon) shown(err error) string {
	var refused *config.Error
	if errors.As(err, &refused) && !d.current.Load().Config.Admin.ShowUsers {
		return refused.Public()
	}
	return err.Error()
}

// purge has every cache forget a user, or everybody for an empty name. Of one user
// it has shields forget the guesses, too: this is the way out for somebody whose
// budget strangers have used up. For everybody at once it would be theirs.
func (d *daemon) purge(user string) (caches int, err error) {
	a := d.current.Load()
	for _, name := range a.Config.BackendNames() {
		s := a.Stack(name)
		if s.Cache != nil {
			purge(s.Cache, user)
			caches++
		}
		if s.Shield != nil && user != "" {
			s.Shield.ResetUser(user)
		}
	}
	return caches, nil
}

func purge(c *backend.Cache, user string) {
	if user == "" {
		c.Purge()
	} else {
		c.PurgeUser(user)
	}
}

// why returns what there is to say about a refusal.
func (d *daemon) why(id string) (any, bool) {
	r, ok := d.gateway.Why(id)
	return explain.Refused(r), ok
}
