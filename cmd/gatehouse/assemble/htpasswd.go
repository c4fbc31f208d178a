package assemble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/htpasswd"
	"gatehouse/backend/spell"
	"gatehouse/gateway"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
)

// htpasswdKeys are the keys of a [[backend]] of type htpasswd.
type htpasswdKeys struct {
	UsersFile  string `toml:"users_file"`  // password file with lines NAME:HASH, as htpasswd and gatehouse passwd write it
	GroupsFile string `toml:"groups_file"` // group file with lines GROUP: NAME NAME…; without it nobody is in any group
}

// hashMemory is shared by all backends, those of the configuration before a reload too.
var hashMemory = sync.OnceValue(func() *htpasswd.Memory { return htpasswd.NewMemory(limits.HashMemory()) })

// HashMemoryUse returns how full the memory for password hashes is, for [gateway.Metrics].
func HashMemoryUse() (u gateway.HashMemoryUse) {
	u.Used, u.Max, u.Waiting = hashMemory().Stats()
	return u
}

// openHTPasswd opens a backend that reads password and group files.
func openHTPasswd(k htpasswdKeys, t backendTable) (backend.Backend, error) {
	cfg := htpasswd.Config{
		UsersFile:  t.file(k.UsersFile, "users_file"),
		GroupsFile: t.file(k.GroupsFile, "groups_file"),
		CheckName:  strict.CheckUserName,
		Memory:     hashMemory(),
		Log:        t.log,
	}
	if cfg.UsersFile == "" {
		if !t.origin.IsFlawed("backend", t.index) {
			t.errorf("users_file", "this backend has no users_file: name the file that htpasswd or gatehouse passwd made")
		}
		return nil, nil
	}
	b, err := htpasswd.New(cfg)
	if err != nil {
		t.reportFiles(err)
		return nil, nil
	}
	return b, nil
}

// reportFiles reports all that is wrong with files of users and groups.
func (t backendTable) reportFiles(err error) {
	for _, err := range fault.Leaves(err) {
		t.reportFile(err)
	}
}

// missingAdvice says what to do about a file that is not there, which key names.
func missingAdvice(key string, err error) string {
	var missing *fs.PathError
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &missing) {
		return ""
	}
	var there []string
	entries, _ := os.ReadDir(filepath.Dir(missing.Path)) // a folder that cannot be read has no suggestion
	for _, e := range entries {
		there = append(there, e.Name())
	}
	if hint := spell.DidYouMean(filepath.Base(missing.Path), there); hint != "" {
		return hint
	}
	if key == "groups_file" {
		return "; make it with lines GROUP: NAME NAME…, or take the key out"
	}
	return fmt.Sprintf("; make it with: gatehouse passwd -c %s NAME", missing.Path)
}

// reportFile reports each line of what is wrong with one of the files.
func (t backendTable) reportFile(err error) {
	key := "users_file"
	if path := fault.Path(err); len(path) > 0 {
		key, _ = path[0].(string)
	}
	first := len(*t.report)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasSuffix(line, ":") { // not the heading of a list
			t.codef(key, fault.Of(err), line+missingAdvice(key, err))
		}
	}
	t.report.KeepPrivate(first)
}
