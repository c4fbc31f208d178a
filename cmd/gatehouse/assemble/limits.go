package assemble

import (
	"net/netip"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
)

// limitsOf returns [limits] as the gateway has them.
func limitsOf(c config.Limits) limits.Limits {
	return limits.Limits{
		Connections:         c.Connections,
		PerAddress:          c.PerAddress,
		Handshakes:          c.Handshakes,
		Streams:             c.Streams,
		HeadBytes:           c.HeadBytes,
		UpstreamConnections: c.UpstreamConnections,
		UpstreamPerClient:   c.UpstreamPerClient,
		UpstreamQueue:       c.UpstreamQueue,
		HeadFields:          c.HeadFields,
		BodyRate:            c.BodyRate,
		BodyWindow:          c.BodyWindow.Duration,
	}
}

// trustedProxies returns the networks of trusted_proxies, whose errors are in the
// report.
func (a *Assembly) trustedProxies() []netip.Prefix {
	c := a.Config
	var networks []netip.Prefix
	for i, text := range c.TrustedProxies {
		network, err := strict.ParseNetwork(text)
		switch {
		case err != nil:
			a.Report.Errorf(c.Origin.At("trusted_proxies", i), "%v", err)
		case network.Bits() == 0:
			a.Report.Errorf(c.Origin.At("trusted_proxies", i), "%s is everybody, and a trusted proxy can claim any address of a client: name the proxies", text)
		default:
			networks = append(networks, network)
		}
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		a.Report.Errorf(c.Origin.At("proxy_protocol"), "nobody is trusted to send the PROXY header: name the proxies in trusted_proxies")
	}
	return networks
}

// timeoutsOf returns what [timeouts] and drain say, as the gateway takes it.
func timeoutsOf(c *config.Settings) gateway.Timeouts {
	t := c.Timeouts
	return gateway.Timeouts{
		Handshake:      t.Handshake.Duration,
		Header:         t.Header.Duration,
		Idle:           t.Idle.Duration,
		BodyIdle:       t.BodyIdle.Duration,
		Connect:        t.Connect.Duration,
		Response:       t.Response.Duration,
		UploadResponse: t.UploadResponse.Duration,
		Drain:          c.Drain.Duration,
	}
}
