package main

import (
	"io/fs"
	"strings"

	"gatehouse/gateway"
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
