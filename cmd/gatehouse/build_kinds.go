package main

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"sync"

	"github.com/go-viper/mapstructure/v2"

	"gatehouse/backend"
	"gatehouse/backend/htpasswd"
)

// kinds maps the type of a [[backend]] to what it takes to open one. A new kind
// of backend is one line here and a struct with its keys.
var kinds = map[string]kind{
	"htpasswd": newKind(openHTPasswd),
	"ldap":     newKind(openLDAP),
}

// kind is a type of backend.
type kind struct {
	keys reflect.Type // struct with the keys that a table of this type may have
	open func(BackendConfig, site) (backend.Backend, error)
}

// backendHead has the keys of every [[backend]].
type backendHead struct {
	Name string `toml:"name"`
	Type string `toml:"type"`
}

// newKind returns the kind whose tables have the keys of K.
func newKind[K any](open func(K, site) (backend.Backend, error)) kind {
	return kind{reflect.TypeFor[K](), func(table BackendConfig, s site) (backend.Backend, error) {
		keys, err := decodeKeys[K](table)
		if err != nil {
			return nil, err
		}
		return open(keys, s)
	}}
}

// decodeKeys returns the keys of a table but those that every backend has.
func decodeKeys[K any](table BackendConfig) (keys K, err error) {
	own := map[string]any{}
	for key, value := range table {
		if _, shared := fields(reflect.TypeFor[backendHead]())[key]; !shared {
			own[key] = value
		}
	}
	config := &mapstructure.DecoderConfig{Result: &keys}
	exactly(config)
	decoder, err := mapstructure.NewDecoder(config)
	if err != nil {
		return keys, err
	}
	return keys, decoder.Decode(own)
}

// site is where a backend is opened: its table in the configuration.
type site struct {
	log    *slog.Logger
	origin origin
	index  int
	report *report
}

// at returns the place of a key of the table.
func (s site) at(key string) place { return s.origin.at("backend", s.index, key) }

// file returns the path of the file that a key of the table names.
func (s site) file(name, key string) string {
	return s.origin.file(name, "backend", s.index, key)
}

// htpasswdKeys are the keys of a [[backend]] of type htpasswd.
type htpasswdKeys struct {
	UsersFile  string `toml:"users_file"`
	GroupsFile string `toml:"groups_file"`
}

func openHTPasswd(k htpasswdKeys, s site) (backend.Backend, error) {
	cfg := htpasswd.Config{
		UsersFile:  s.file(k.UsersFile, "users_file"),
		GroupsFile: s.file(k.GroupsFile, "groups_file"),
		Log:        s.log,
	}
	if cfg.UsersFile == "" {
		if !s.origin.table("backend", s.index).flawed {
			s.report.errorf(s.at("users_file"), "this backend has no users_file: name the file that htpasswd or gatehouse passwd made")
		}
		return nil, nil
	}
	b, err := htpasswd.New(cfg)
	if err != nil {
		key := "users_file"
		if strings.HasPrefix(err.Error(), "groups file") {
			key = "groups_file"
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasSuffix(line, ":") { // not the heading of a list
				s.report.errorf(s.at(key), "%s", line)
			}
		}
		return nil, nil
	}
	return b, nil
}

// leaves returns the errors that were joined to make err.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, leaves(err)...)
	}
	return all
}

// warningLog is a log that keeps what is warned of.
type warningLog struct {
	mu    sync.Mutex
	texts []string
}

var _ slog.Handler = (*warningLog)(nil)

// Enabled reports whether level is that of a warning at least.
func (*warningLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// WithAttrs returns the log itself: the place of a warning says what it is about.
func (w *warningLog) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup returns the log itself.
func (w *warningLog) WithGroup(string) slog.Handler { return w }

// Handle keeps the text of a record with its values.
func (w *warningLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " (" + a.String() + ")"
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
	return nil
}

func (w *warningLog) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}
