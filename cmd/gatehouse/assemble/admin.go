package assemble

import (
	"io/fs"
	"strings"

	"gatehouse/gateway"
)

// checkAdmin checks [admin].
func (a *Assembly) checkAdmin() {
	c, origin := a.Config.Admin, a.Config.Origin
	if c.Listen != "" {
		loopback, err := CheckListenAddress(c.Listen)
		switch {
		case err != nil:
			a.Report.Errorf(origin.At("admin", "listen"), "%v", err)
		case !loopback && !c.InsecureRemote:
			a.Report.Errorf(origin.At("admin", "listen"), "%s would let everybody who can connect read metrics and status, without a password: "+
				"listen on 127.0.0.1, or set insecure_remote = true under [admin]", c.Listen)
		}
	}
	a.checkPlace(origin.At("admin", "socket"), a.Config.AdminSocket(), fs.ModeSocket)
	for i, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, ":/ ") || strings.ToLower(host) != host {
			a.Report.Errorf(origin.At("admin", "hosts", i), "%q is not a host name: write it in lower case and without a port", host)
		}
	}
}

// BackendInfo returns the backends for metrics and status, in the order of the
// configuration.
func (a *Assembly) BackendInfo() []gateway.BackendInfo {
	var all []gateway.BackendInfo
	for _, c := range a.Config.Backends {
		s := a.Stack(c.Name())
		all = append(all, gateway.BackendInfo{Name: c.Name(), Type: c.Type(), Backend: s.Leaf, Cache: s.Cache, Shield: s.Shield, Flood: s.flood})
	}
	return all
}
