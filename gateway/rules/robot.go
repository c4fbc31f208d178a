package rules

import "gatehouse/backend"

// RobotSource is Identity.Source of robots, which log in with tokens alone. No backend has
// that name.
const RobotSource = "robot"

// RobotIdentity returns who the robot of that name is. Nobody else can have the name of the
// user, which no login can hold: what a rule, a template or an upstream makes of a user is
// never made of a robot that is called like one.
func RobotIdentity(name string) backend.Identity {
	return backend.Identity{User: RobotSource + ":" + name, Source: RobotSource}
}

// robot returns p as the robot of that name.
func (p principal) robot(name string) principal {
	p.source, p.name = RobotSource, name
	p.spellings = []spelling{{RobotSource, RobotIdentity(name).User}}
	return p
}
