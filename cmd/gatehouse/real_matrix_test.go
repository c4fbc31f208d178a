package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"gatehouse/gateway/token"
)

// The hosts of the matrix: one gateway has both, with the same rules.
const (
	bearerHost = "registry.test"
	basicHost  = "basic.registry.test"
)

// wrong is a user with a password that is not right any more.
const wrong = "wrong"

// moreThanBasic is how many requests more an act may take with a token than with a
// password.
const moreThanBasic = 2

// matrixRoute is a route of the matrix. The puller may read what is public and what is of
// the team, and write what is his.
const matrixRoute = `
[[route]]
hosts = ["@HOST@"]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "local"
challenge = "@CHALLENGE@"
catalog = "filtered"
  [[route.rule]]
  name = "public"
  repositories = ["public/**"]
  actions = ["pull"]
  require = ["all granted"]
  [[route.rule]]
  name = "mine"
  repositories = ["mine/**"]
  require = ["valid-user"]
  [[route.rule]]
  name = "team"
  repositories = ["team/**"]
  actions = ["pull"]
  require = ["valid-user"]
  [[route.rule]]
  name = "catalog"
  actions = ["catalog"]
  require = ["valid-user"]
  [[route.rule]]
  name = "rest"
  require = ["group pusher"]
`

const matrixConfig = `
[tokens]
key_file = "token-keys"
[cache]
revalidate = "1s"
[[backend]]
name = "local"
type = "htpasswd"
users_file = "httpd.htpasswd"
groups_file = "httpd.groups"
`

// matrixFiles writes what a gateway with both hosts reads, and returns its configuration.
func (r recipe) matrixFiles(t *testing.T, upstream string) (config string) {
	t.Helper()
	writeFile(t, filepath.Join(r.dir, "token-keys"), []byte(token.NewKey(time.Now()).Line()+"\n"), 0o600)
	text := matrixConfig
	for host, challenge := range map[string]string{bearerHost: "bearer", basicHost: "basic"} {
		text += strings.NewReplacer("@HOST@", host, "@CHALLENGE@", challenge, "@UPSTREAM@", upstream).Replace(matrixRoute)
	}
	config = filepath.Join(r.dir, "matrix.toml")
	writeFile(t, config, []byte(text), 0o644)
	return config
}

// anyNumber is for clients that send several requests at once. A refusal stops them sooner
// or later.
const anyNumber = 1000

// situation is something that clients are put into.
type situation struct {
	name string

	// more is how many requests more it may take with tokens than with passwords; 0 if it
	// is nothing that is tried with passwords too.
	more int

	try func(m *matrixRun) string
}

// situations are what each client is put into, in their order. What is done in one is
// there in the next.
var situations = []situation{
	{"login", 2 * moreThanBasic, (*matrixRun).logIn}, // of two users
	{"push", moreThanBasic, func(m *matrixRun) string { return m.works(pusher, "push", "", "team") }},
	{"private pull", moreThanBasic, func(m *matrixRun) string { return m.works(puller, "pull", "team", "") }},
	{"refused push", anyNumber, func(m *matrixRun) string { return m.refused(puller, "push", "", "team/closed") }},
	// Two pushes. Skopeo and podman fetch a token for each repository that they ask for a layer.
	{"refused mount", 2*moreThanBasic + 1, (*matrixRun).mount},
	{"catalog", moreThanBasic, func(m *matrixRun) string { return m.works(puller, "catalog", "", "team") }},
	// Oras fetches a token to look, and after another 401 one to delete.
	{"delete", moreThanBasic + 1, func(m *matrixRun) string { return m.works(pusher, "delete", "secret", "") }},
	{"public pull", 0, func(m *matrixRun) string {
		m.works(pusher, "push", "", "public")
		return m.works(stranger, "pull", "public", "")
	}},
	{"private, no login", 0, func(m *matrixRun) string { return m.refused(stranger, "pull", "team", "") }},
	{"wrong password", 0, (*matrixRun).wrongPassword},
	{"rotated key", 0, (*matrixRun).rotate},
	{"disabled user", 0, (*matrixRun).disable},
}

// TestClientsWithTokens puts each client into each situation, before each registry, and
// prints what became of it. Each act takes hardly more requests than with a password.
func TestClientsWithTokens(t *testing.T) {
	t.Parallel()
	behind := registries
	if os.Getenv(slowLayerVariable) == "" {
		behind = registries[:1]
	}
	for _, registry := range behind {
		t.Run(registry.name, func(t *testing.T) {
			t.Parallel()
			needs(t, registry.program)
			upstream := registry.start(t)
			var mu sync.Mutex
			var rows []string
			t.Cleanup(func() {
				slices.Sort(rows)
				t.Logf("situations, and requests with a token/with a password:\n%s", table(matrixHead(), rows))
			})
			for _, c := range matrixClients() {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					needs(t, c.programs...)
					row := newMatrixRun(t, c, upstream).all()
					mu.Lock()
					defer mu.Unlock()
					rows = append(rows, row)
				})
			}
		})
	}
}

func matrixHead() string {
	head := "client"
	for _, s := range situations {
		head += "\t" + s.name
	}
	return head
}

// table returns rows with their columns below each other.
func table(head string, rows []string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(append([]string{head}, rows...), "\n"))
	w.Flush()
	return b.String()
}
