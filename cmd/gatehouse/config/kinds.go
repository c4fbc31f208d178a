package config

import (
	"reflect"
)

// Kinds are the types of a [[backend]], by their names. A document is read by them: it
// knows no type by itself.
type Kinds map[string]Kind

// Kind is what has to be known of a type of [[backend]] to read its tables.
type Kind struct {
	Keys reflect.Type // struct with the keys that a table may have, besides those of every backend

	// GroupsKey is the key without which nobody is in any group, empty if there
	// are groups in any case.
	GroupsKey string

	// Follows has the keys whose files backends of this type read again by themselves
	// when these change.
	Follows []string

	// Mentions returns where a table names the other backends that one of this
	// type is made of. It is nil for a type that stands by itself.
	Mentions func(Backend) []Mention
}

// Mention is where a table names another backend.
type Mention struct {
	Name    string
	Path    []any // of keys and indexes, below the table
	Vouches bool  // for users, and not for their groups alone
}

// BackendKeys has the keys of every [[backend]].
type BackendKeys struct {
	Name string `toml:"name"` // what routes, rules and logs call the backend
	Type string `toml:"type"` // the kind of backend: "htpasswd", "ldap" or "chain"
}

// Decode returns the keys of a table but those that every backend has.
func Decode[K any](table Backend) (keys K, err error) {
	own := map[string]any{}
	for key, value := range table {
		if _, shared := Fields(reflect.TypeFor[BackendKeys]())[key]; !shared {
			own[key] = value
		}
	}
	return keys, decodeInto(&keys, own)
}
