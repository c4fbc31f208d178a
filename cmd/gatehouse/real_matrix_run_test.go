package main_test

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/token"
	"gatehouse/internal/testkit"
)

// matrixRun is one client before a gateway of its own, as each of its users has it.
type matrixRun struct {
	t      *testing.T
	client matrixClient
	recipe recipe
	front  front
	host   string // that it is used with now
	image  imageOfClient
	env    []string
	config map[string]string // folder of each user
	global []string          // arguments before those of each command
	count  int               // of requests that were counted
}

func newMatrixRun(t *testing.T, c matrixClient, upstream string) *matrixRun {
	t.Helper()
	r := newRecipe(t)
	m := &matrixRun{t: t, client: c, recipe: r, host: bearerHost, front: r.serve(t, "--config", r.matrixFiles(t, upstream))}
	m.image = newImageOfClient(t, c.name, []byte(rand.Text())) // which no client has seen
	m.prepare(tunnel(t, r.certificate, m.addrs()))
	return m
}

// addrs returns where the hosts of the matrix are.
func (m *matrixRun) addrs() map[string]string {
	return map[string]string{bearerHost: m.front.addr, basicHost: m.front.addr}
}

// prepare makes the folders of the users, and starts what the client needs.
func (m *matrixRun) prepare(env []string) {
	m.t.Helper()
	t, c := m.t, m.client
	m.env, m.config = env, map[string]string{}
	for who, password := range map[string]string{pusher: pusherPassword, puller: pullerPassword, wrong: wrong, stranger: ""} {
		m.config[who] = t.TempDir()
		if who == wrong || who != stranger && c.login == nil {
			m.store(who, password)
		} else {
			writeFile(t, filepath.Join(m.config[who], "config.json"), []byte("{}"), 0o600)
		}
	}
	if c.prepare != nil {
		m.global = c.prepare(t, m.env)
	}
}

// store keeps a password as docker does, without asking anybody.
func (m *matrixRun) store(who, password string) {
	user := who
	if who == wrong {
		user = puller
	}
	login := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}
	file := toJSON(m.t, map[string]any{"auths": map[string]any{bearerHost: login, basicHost: login}})
	writeFile(m.t, filepath.Join(m.config[who], "config.json"), file, 0o600)
}

// all puts the client into all situations, and returns a row of the table.
func (m *matrixRun) all() string {
	m.t.Helper()
	asked := map[string]int{}
	m.host = basicHost
	for _, s := range situations {
		if s.more > 0 {
			begin := m.requests()
			s.try(m)
			asked[s.name] = m.requests() - begin
		}
	}
	m.host = bearerHost
	row := m.client.name
	for _, s := range situations {
		begin := m.requests()
		cell := s.try(m)
		n := m.requests() - begin
		if s.more > 0 && cell != "-" {
			cell += fmt.Sprintf(" %d/%d", n, asked[s.name])
			if n > asked[s.name]+s.more {
				m.t.Errorf("%s: %d requests with a token, %d with a password", s.name, n, asked[s.name])
			}
		}
		row += "\t" + cell
	}
	return row
}

// requests returns how many requests there were so far at the host.
func (m *matrixRun) requests() int {
	m.t.Helper()
	m.count++
	mark := fmt.Sprintf("/v2/mark/%d/tags/list", m.count)
	m.front.request(m.t, "GET", mark, "", "")
	testkit.Await(m.t, "the log has all requests", func() bool { return strings.Contains(m.front.output.String(), mark) })
	n := 0
	for line := range strings.Lines(m.front.output.String()) {
		if strings.Contains(line, `"host":"`+m.host+`"`) && !strings.Contains(line, `"target":"/v2/mark/`) {
			n++
		}
	}
	return n
}

// do does something that the client may have no command for.
func (m *matrixRun) do(who, what, from, to string) (output string, err error, known bool) {
	m.t.Helper()
	m.image.scratch = m.t.TempDir()
	name := func(repository string) string {
		return m.host + "/" + repository + "/" + strings.TrimSuffix(m.host, ".registry.test") + "/" + m.client.name
	}
	commands := m.client.commands(what, m.image, name(from), name(to))
	for i, words := range commands {
		if output, err = m.run(who, words); err != nil && i < len(commands)-1 {
			m.t.Fatalf("%q: %v\n%s", words, err, output)
		}
	}
	return output, err, commands != nil
}

// works does something that has to work.
func (m *matrixRun) works(who, what, from, to string) string {
	m.t.Helper()
	output, err, known := m.do(who, what, from, to)
	switch {
	case !known:
		return "-"
	case err != nil:
		m.t.Errorf("%s by %q of %s%s at %s: %v\n%s", what, who, from, to, m.host, err, output)
		return "NO"
	}
	return "yes"
}

// refused does something that has to be refused, soon, and with our words where somebody is
// logged in.
func (m *matrixRun) refused(who, what, from, to string) string {
	m.t.Helper()
	begin := time.Now()
	output, err, _ := m.do(who, what, from, to)
	says := regexp.MustCompile(`may not|please log in|not good here`).MatchString(output)
	switch took := time.Since(begin); {
	case err == nil:
		m.t.Errorf("%s by %q of %s%s at %s works", what, who, from, to, m.host)
		return "NO"
	case !refusedByGateway.MatchString(output):
		m.t.Errorf("%s by %q at %s fails, and was not refused:\n%s", what, who, m.host, output)
	case took > refusalBound:
		m.t.Errorf("%s by %q at %s was refused after %v", what, who, m.host, took)
	case who == puller && what == "push" && !m.client.silent && !says:
		m.t.Errorf("%s by %q at %s is refused without the reason:\n%s", what, who, m.host, output)
	}
	if says {
		return "says why"
	}
	return "yes"
}

func (m *matrixRun) logIn() string {
	if m.client.login == nil {
		return "-"
	}
	for who, password := range map[string]string{puller: pullerPassword, pusher: pusherPassword} {
		if output, err := m.run(who, append(m.client.login(who, password), m.host)); err != nil {
			m.t.Errorf("login at %s: %v\n%s", m.host, err, output)
			return "NO"
		}
	}
	return "yes"
}

// mount pushes a layer that the client knows from a repository that its user may not read.
func (m *matrixRun) mount() string {
	m.works(pusher, "push", "", "secret")
	cell := m.works(puller, "push", "", "mine")
	m.requests()
	said := m.front.output.String()
	asked := regexp.MustCompile(`"target":"/v2/mine/[^"]*from=secret[^\n]*"status":(\d+)`).FindStringSubmatch(said)
	if asked != nil && asked[1] != "202" {
		m.t.Errorf("a layer of a repository that may not be read: %s", asked[0])
	}
	if asked != nil && cell == "yes" {
		return "asked"
	}
	return cell
}

func (m *matrixRun) wrongPassword() string {
	cell := "at login"
	if m.client.login != nil {
		output, err := m.run(stranger, append(m.client.login(puller, "wrong"), m.host))
		if (err == nil) != m.client.trusting {
			m.t.Errorf("login with a wrong password: %v\n%s", err, output)
		}
	}
	if m.client.login == nil || m.client.trusting {
		cell = "at pull"
	}
	m.refused(wrong, "pull", "team", "")
	return cell
}

// rotate changes the keys as docs/tokens.md says. Whatever a client keeps goes on working.
func (m *matrixRun) rotate() string {
	keys := filepath.Join(m.recipe.dir, "token-keys")
	old, next := readFile(m.t, keys), token.NewKey(time.Now()).Line()+"\n"
	cell := "yes"
	for i, lines := range []string{old + next, next + old, next} {
		writeFile(m.t, keys, []byte(lines), 0o600)
		testkit.Await(m.t, "the keys are read again", func() bool { return strings.Count(m.front.output.String(), "configuration reloaded") == i+1 })
		if m.works(puller, "pull", "team", "") == "NO" {
			cell = "NO"
		}
	}
	return cell
}

// disable has the puller no user any more. The client has logged in as one.
func (m *matrixRun) disable() string {
	before := m.front.fetchToken(m.t, puller, pullerPassword)
	writeFile(m.t, m.recipe.usersFile, []byte(htpasswdLine(m.t, pusher, pusherPassword)), 0o644)
	m.front.await(m.t, "the user is none", before, 401)
	return m.refused(puller, "pull", "team", "")
}

// run runs a command of a user.
func (m *matrixRun) run(who string, words []string) (string, error) {
	password := map[string]string{puller: pullerPassword, pusher: pusherPassword, wrong: wrong}[who]
	user := map[string]string{wrong: puller}[who]
	args := slices.Clone(words[1:])
	if i := slices.Index(args, userArg); i >= 0 {
		args[i] = "--user=" + cmp.Or(user, who) + ":" + password
		if who == stranger {
			args = slices.Delete(args, i, i+1)
		}
	}
	if words[0] == m.client.programs[0] {
		args = append(slices.Clone(m.global), args...)
	}
	cmd := command(m.t, words[0], args...)
	dir := m.config[who]
	cmd.Env = append(append(cmd.Env, m.env...), "HOME="+dir, "DOCKER_CONFIG="+dir, "REGISTRY_AUTH_FILE="+filepath.Join(dir, "config.json"), "HELM_REGISTRY_CONFIG="+filepath.Join(dir, "config.json"))
	output, err := cmd.CombinedOutput()
	return string(output), err
}
