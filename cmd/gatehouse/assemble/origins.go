package assemble

import (
	"net/url"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/strict"
)

// checkOrigins checks the pages whose scripts may use a route.
func (a *Assembly) checkOrigins(i int, r config.Route) {
	if r.CORSOrigins != nil && len(r.CORSOrigins) == 0 {
		a.Report.Errorf(a.at(i, "cors_origins"), "%v", gateway.ErrNoOrigins)
	}
	route := gateway.Route{CORSOrigins: r.CORSOrigins}
	for j, origin := range r.CORSOrigins {
		if err := route.CheckOrigin(j); err != nil {
			a.Report.Errorf(a.at(i, "cors_origins", j), "%v", err)
			continue
		}
		if u, err := url.Parse(origin); err == nil && u.Scheme == "http" && !strict.IsLoopback(u.Hostname()) {
			a.Report.Warnf(a.at(i, "cors_origins", j), "anybody on the network can put a script into pages of %s, which then has the logins of those who look at them: serve the pages over https", origin)
		}
	}
}
