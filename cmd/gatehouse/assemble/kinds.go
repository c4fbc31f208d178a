package assemble

import (
	"log/slog"
	"reflect"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/config"
)

// kinds maps the type of a [[backend]] to what it takes to open one. A new kind
// of backend is one line here and a file like htpasswd.go.
var kinds = map[string]kind{
	"chain":    newKind(openChain).madeOf(mentionsOf[chainKeys]),
	"htpasswd": newKind(openHTPasswd).reporting(backendTable.reportFiles).groupsFrom("groups_file").following("users_file", "groups_file").listing(),
	"ldap":     newKind(openLDAP).reporting(backendTable.reportAll).lockingOut().following("ca_file", "cert_file", "key_file"),
}

// Kinds returns what has to be known of the kinds to read a configuration.
func Kinds() config.Kinds {
	all := config.Kinds{}
	for name, k := range kinds {
		all[name] = k.Kind
	}
	return all
}

// kind is a type of backend.
type kind struct {
	config.Kind

	// open returns nil and no error where what is wrong has been reported.
	open func(config.Backend, backendTable) (backend.Backend, error)

	// report reports what is wrong with files that are read again.
	report func(backendTable, error)

	// listed says that backends of this type have their users and groups in files, so
	// that all can be listed.
	listed bool

	// locksOut says that backends of this type lock an account after some wrong
	// passwords. Their tables have the keys of shieldKeys besides.
	locksOut bool
}

// newKind returns the kind whose tables have the keys of K.
func newKind[K any](open func(K, backendTable) (backend.Backend, error)) kind {
	return kind{Kind: config.Kind{Keys: reflect.TypeFor[K]()}, open: func(c config.Backend, t backendTable) (backend.Backend, error) {
		keys, err := config.Decode[K](c)
		if err != nil {
			return nil, err
		}
		return open(keys, t)
	}}
}

// groupsFrom returns k with its GroupsKey.
func (k kind) groupsFrom(key string) kind {
	k.GroupsKey = key
	return k
}

// reporting returns k with its report.
func (k kind) reporting(report func(backendTable, error)) kind {
	k.report = report
	return k
}

// listing returns k for backends whose users are listed.
func (k kind) listing() kind {
	k.listed = true
	return k
}

// following returns k for backends that follow the files of keys.
func (k kind) following(keys ...string) kind {
	k.Follows = keys
	return k
}

// madeOf returns k with its Mentions.
func (k kind) madeOf(mentions func(config.Backend) []config.Mention) kind {
	k.Mentions = mentions
	return k
}

// mentionsOf returns where a table with the keys of K names other backends. What
// cannot be decoded names none, and cannot be opened either.
func mentionsOf[K interface{ mentions() []config.Mention }](table config.Backend) []config.Mention {
	keys, err := config.Decode[K](table)
	if err != nil {
		return nil
	}
	return keys.mentions()
}

// lockingOut returns k for backends that lock accounts.
func (k kind) lockingOut() kind {
	k.locksOut = true
	return k
}

// backendTable is where in the configuration a backend is opened: its table.
type backendTable struct {
	observe func(backend.Operation) // counts what is done with servers; nil if nobody does

	log    *slog.Logger
	origin config.Origin
	index  int
	report *config.Report
	other  func(name string) backend.Backend // nil for one that could not be opened
}

// at returns the place of a key of the table.
func (t backendTable) at(key string) config.Place { return t.origin.At("backend", t.index, key) }

// file returns the path of the file that a key of the table names.
func (t backendTable) file(name, key string) string {
	return t.origin.File(name, "backend", t.index, key)
}

// errorf reports what is wrong with a key of the table.
func (t backendTable) errorf(key, format string, args ...any) {
	t.report.Errorf(t.at(key), format, args...)
}

// codef is errorf for an error with a code, which may be none.
func (t backendTable) codef(key string, code fault.Code, message string) {
	t.report.Codef(code, t.at(key), message)
}

// add adds each of the errors that were joined to make err, at the key that it is about, or
// else at another.
func (t backendTable) add(err error, otherwise string) {
	t.report.Add(err, t.origin, []any{"backend", t.index}, otherwise)
}

// reportAll reports what is wrong with keys of the table, and files that they name.
func (t backendTable) reportAll(err error) { t.add(err, "type") }
