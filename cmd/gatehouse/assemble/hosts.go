package assemble

import (
	"strings"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
)

// checkHosts checks the names that a route answers to.
func (a *Assembly) checkHosts(i int, r config.Route) {
	switch {
	case r.Host != "" && r.Hosts != nil:
		a.Report.Errorf(a.at(i, "hosts"), "host and hosts are both set: put all the names into hosts, and take host out")
		return
	case r.Hosts != nil && len(r.Hosts) == 0:
		a.Report.Errorf(a.at(i, "hosts"), "%v", gateway.ErrNoHosts)
	case strings.HasPrefix(r.Host, "*."):
		a.Report.Errorf(a.at(i, "host"), "host is one name: write hosts = [%q] for all that it stands for", r.Host)
		return
	}
	route := gateway.Route{Hosts: r.Names()}
	for j := range route.Hosts {
		if err := route.CheckHost(j); err != nil {
			a.Report.Errorf(a.hostPlace(i, j), "%v", err)
		}
	}
}

// hostPlace returns where the name at index j of those of a route was written.
func (a *Assembly) hostPlace(i, j int) config.Place {
	if a.Config.Routes[i].Host != "" {
		return a.at(i, "host")
	}
	return a.at(i, "hosts", j)
}
