package main

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway"
	"gatehouse/gateway/admin"
)

// checkAdmin checks [admin].
func (a *assembly) checkAdmin() {
	c, origin := a.config.Admin, a.config.Origin
	if c.Listen != "" {
		loopback, err := checkListenAddress(c.Listen)
		switch {
		case err != nil:
			a.report.Errorf(origin.At("admin", "listen"), "%v", err)
		case !loopback && !c.InsecureRemote:
			a.report.Errorf(origin.At("admin", "listen"), "%s would let everybody who can connect read metrics and status, without a password: "+
				"listen on 127.0.0.1, or set insecure_remote = true under [admin]", c.Listen)
		}
	}
	a.checkPlace(origin.At("admin", "socket"), a.config.AdminSocket(), fs.ModeSocket)
	for i, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, ":/ ") || strings.ToLower(host) != host {
			a.report.Errorf(origin.At("admin", "hosts", i), "%q is not a host name: write it in lower case and without a port", host)
		}
	}
}

// backendInfo returns the backends for metrics and status, in the order of the
// configuration.
func (a *assembly) backendInfo() []gateway.BackendInfo {
	var all []gateway.BackendInfo
	for _, c := range a.config.Backends {
		s := a.stack(c.Name())
		all = append(all, gateway.BackendInfo{Name: c.Name(), Type: c.Type(), Backend: s.leaf, Cache: s.cache, Shield: s.shield, Flood: s.flood})
	}
	return all
}

// checkFixed refuses a change of what has been opened when the program started.
func (d *daemon) checkFixed(c *config.Document) error {
	old := d.current.Load()
	if old == nil || reflect.DeepEqual(old.config.Admin, c.Admin) {
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
	c := d.current.Load().config
	if !c.Admin.IsSet() {
		return func() {}, nil
	}
	s, err := admin.New(admin.Config{
		Listen: c.Admin.Listen, InsecureRemote: c.Admin.InsecureRemote, Hosts: c.Admin.Hosts, Socket: c.AdminSocket(),
		PProf: c.Admin.PProf, ShowUsers: c.Admin.ShowUsers,
		Version: readVersion().Version, Gateway: d.gateway, Metrics: d.metrics, Configuration: d.describe,
		Reload: d.Reload, Purge: d.purge, Probe: d.probe, Why: d.why, Log: d.log,
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
	if errors.As(err, &refused) && !d.current.Load().config.Admin.ShowUsers {
		return refused.Public()
	}
	return err.Error()
}

// purge has every cache forget a user, or everybody for an empty name. Of one user
// it has shields forget the guesses, too: this is the way out for somebody whose
// budget strangers have used up. For everybody at once it would be theirs.
func (d *daemon) purge(user string) (caches int, err error) {
	a := d.current.Load()
	for _, s := range a.stacks {
		if s.cache != nil {
			purge(s.cache, user)
			caches++
		}
		if s.shield != nil && user != "" {
			s.shield.ResetUser(user)
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
