// Package htpasswd checks credentials against the password and group files of
// Apache httpd.
//
// The users file has a line NAME:HASH for each user, as written by htpasswd and
// by gatehouse passwd. Hashes may be bcrypt ($2a$, $2b$, $2y$), SHA-crypt ($5$,
// $6$), yescrypt ($y$), argon2id and, with a warning, MD5-crypt ($apr1$, $1$)
// and {SHA}. Passwords in the clear and DES crypt are refused, and so is a hash
// that is malformed or would take seconds to check. Names of users are
// case-sensitive. A user whose hash is empty, "*" or begins with "!" exists and
// cannot log in.
//
// The groups file has lines GROUP: NAME NAME…; names of groups are not
// case-sensitive, and this package spells them in lower case.
//
// # Changes
//
// Files that change are read again within a second. A file cannot be used if it is
// missing, empty, malformed in any line, or writable by others. The last good file
// then stays in use, and the log says so.
//
// # Guessing
//
// Every refusal takes as long as the most expensive hash in the file, also for an
// unknown user. Its time therefore tells nothing. The number of hashes that are
// computed at once is bounded by the processors and by [Memory].
package htpasswd

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
)

var (
	_ backend.Backend       = (*Backend)(nil)
	_ backend.Versioner     = (*Backend)(nil)
	_ backend.Canonicalizer = (*Backend)(nil)
	_ backend.Revalidator   = (*Backend)(nil)
	_ backend.Explainer     = (*Backend)(nil)
)

// FileMax is the size of the largest file that is read. It holds three million users
// with bcrypt hashes.
const FileMax = 256 << 20

// Config is what a [Backend] is made from.
type Config struct {
	// UsersFile is the path of the password file.
	UsersFile string

	// GroupsFile is the path of the group file. Without one, nobody is in a
	// group.
	GroupsFile string

	// CheckName reports why no login can have a name, nil if one can. Lines with such
	// names are warned of. Default: every name is taken for one that a login can have.
	CheckName func(name string) error

	// Memory bounds the hashes that are computed at once. The backends of a process
	// share one. Default: one of 256 MiB for this backend.
	Memory *Memory

	// Log takes what there is to say of the files. Default: nothing.
	Log *slog.Logger
}

// Backend checks credentials against the files of its [Config].
type Backend struct {
	config Config
	log    *slog.Logger
	seed   maphash.Seed
	slots  slots
	stop   func()

	loading sync.Mutex
	current atomic.Pointer[content]
}

// content is what both files said when they were last read. It never changes.
type content struct {
	users  *users
	groups *groups
}

// New reads the files and watches them until [Backend.Close]. Its error lists
// everything that is wrong with them.
func New(c Config) (*Backend, error) {
	if c.UsersFile == "" {
		return nil, errors.New("no users file is set")
	}
	if c.Memory == nil {
		c.Memory = NewMemory(defaultMemory)
	}
	b := &Backend{
		config: c,
		log:    c.Log,
		seed:   maphash.MakeSeed(),
		slots:  newSlots(runtime.GOMAXPROCS(0), queueLength, c.Memory),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	// First watch and then read, so that no change falls in between.
	b.stop = watch.Start(b.files(), b.reload)
	if err := b.load(); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// Close ends the watch of the files. It returns nil.
func (b *Backend) Close() error {
	b.stop()
	return nil
}

func (b *Backend) files() []string {
	if b.config.GroupsFile == "" {
		return []string{b.config.UsersFile}
	}
	return []string{b.config.UsersFile, b.config.GroupsFile}
}

// Authenticate checks password against the hash in the line of user.
func (b *Backend) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	users := b.current.Load().users
	h := users.hash(user)
	refusal := refusalOf(h)
	if !backend.CanBePassword(password) {
		return backend.Identity{}, refusal
	}
	right := false
	// Everybody takes the same memory: a wait for it tells nobody whose hash takes none.
	err := b.slots.do(ctx, users.memory, func() { right = check(h, users.dearest, password) })
	switch {
	case err != nil:
		return backend.Identity{}, err
	case !right:
		return backend.Identity{}, refusal
	}
	return users.identity(user), nil
}

func refusalOf(h hash) error {
	switch {
	case h == nil:
		return backend.ErrUnknownUser
	case isLocked(h):
		return errBarred
	default:
		return backend.ErrWrongPassword
	}
}

// Groups returns the groups that the groups file puts id.User in.
func (b *Backend) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	return append([]string{}, b.current.Load().groups.of[id.User]...), nil
}

// Explain returns the groups of id.User with the lines of the groups file that are about
// each of them.
func (b *Backend) Explain(ctx context.Context, id backend.Identity) ([]backend.Membership, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	groups := b.current.Load().groups
	var all []backend.Membership
	for _, name := range groups.of[id.User] {
		m := backend.Membership{Group: name, Path: []string{name}}
		for _, line := range groups.lines[name] {
			m.At = append(m.At, fmt.Sprintf("%s:%d", b.config.GroupsFile, line))
		}
		all = append(all, m)
	}
	return all, nil
}

// Version returns a number that changes with the hash and the groups of user,
// and not with those of anybody else.
func (b *Backend) Version(user string) uint64 {
	c := b.current.Load()
	var sum maphash.Hash
	sum.SetSeed(b.seed)
	text, known := c.users.hashes[user]
	if known {
		sum.WriteByte(':')
		sum.WriteString(text)
	}
	for _, group := range c.groups.of[user] {
		sum.WriteByte(0) // which is in neither
		sum.WriteString(group)
	}
	return sum.Sum64()
}

// CanonicalUser returns name: it has one spelling.
func (b *Backend) CanonicalUser(name string) string { return name }

// CanonicalGroup returns name in lower case.
func (b *Backend) CanonicalGroup(name string) string { return lower(name) }

// Reload reads the files again at once, of which it does not wait to be told. If they
// cannot be used, the last good ones stay in use, and its error lists everything that
// is wrong with them.
func (b *Backend) Reload() error { return b.load() }

func (b *Backend) reload() {
	if err := b.load(); err != nil {
		b.log.Error("changed password files cannot be used; the last good ones stay in use", "error", err)
		return
	}
	b.log.Info("password files read again", "files", b.files())
}

// load reads both files and puts them to use together, or neither.
func (b *Backend) load() error {
	b.loading.Lock()
	defer b.loading.Unlock()
	users, errUsers := b.loadUsers()
	groups, errGroups := b.loadGroups()
	if err := errors.Join(errUsers, errGroups); err != nil {
		return err
	}
	for _, warning := range users.warnings {
		b.log.Warn(warning, "file", b.config.UsersFile)
	}
	for _, warning := range groups.warnings {
		b.log.Warn(warning, "file", b.config.GroupsFile)
	}
	b.current.Store(&content{users, groups})
	return nil
}

// aboutUsers and aboutGroups return err with the key that names the file; see [fault.Path].
func aboutUsers(err error) error  { return fault.At(err, "users_file") }
func aboutGroups(err error) error { return fault.At(err, "groups_file") }

func (b *Backend) loadUsers() (*users, error) {
	text, mode, err := watch.Read(b.config.UsersFile, watch.Limits{MaxSize: FileMax})
	if err != nil {
		return nil, aboutUsers(fmt.Errorf("users file: %w", err))
	}
	if mode&0o004 != 0 {
		b.log.Warn("every user of this machine may read the file; " + watch.HowToClose(b.config.UsersFile))
	}
	users, err := parseUsers(b.config.UsersFile, text, b.config.CheckName)
	if err == nil {
		err = b.config.Memory.check(users)
	}
	if err != nil {
		return nil, aboutUsers(fault.With("htpasswd.users.malformed", fmt.Errorf("users file cannot be used:\n%w", err)))
	}
	return users, nil
}

func (b *Backend) loadGroups() (*groups, error) {
	if b.config.GroupsFile == "" {
		return &groups{}, nil
	}
	text, _, err := watch.Read(b.config.GroupsFile, watch.Limits{MaxSize: FileMax})
	if err != nil {
		return nil, aboutGroups(fmt.Errorf("groups file: %w", err))
	}
	groups, err := parseGroups(b.config.GroupsFile, text)
	if err != nil {
		return nil, aboutGroups(fault.With("htpasswd.groups.malformed", fmt.Errorf("groups file cannot be used:\n%w", err)))
	}
	return groups, nil
}
