package backend

// A Roster can list its users and groups. What it does not list there is not.
type Roster interface {
	UserNames() []string
	GroupNames() []string

	// Strangers returns the members of its groups that are none of its users.
	Strangers() []string
}
