package assemble

import (
	"testing"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/limits"
)

// What a configuration has where nothing is set is what the gateway has that is given none.
func TestDefaultsAreThoseOfTheGateway(t *testing.T) {
	var l limits.Limits
	l.SetDefaults()
	var timeouts gateway.Timeouts
	timeouts.SetDefaults()
	c := config.Defaults()
	if got := limitsOf(c.Limits); got != l {
		t.Errorf("limits: %+v, and those of the gateway %+v", got, l)
	}
	if got := timeoutsOf(&c); got != timeouts {
		t.Errorf("timeouts: %+v, and those of the gateway %+v", got, timeouts)
	}
}
