package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"
)

// TestGuessesAgainstLargeHashesTakeLittleMemory: guesses at once, on many processors,
// against hashes of 64 MiB. The program computes no more of them at once than a quarter
// of its memory has room for, and lets in whoever knows the password.
func TestGuessesAgainstLargeHashesTakeLittleMemory(t *testing.T) {
	t.Parallel()
	const (
		memoryKiB, passes, lanes = 64 << 10, 1, 1
		maxMemory                = 256 << 20
	)
	r := newRecipe(t)
	salt := make([]byte, 16)
	rand.Read(salt)
	key := argon2.IDKey([]byte(pullerPassword), salt, passes, memoryKiB, lanes, 32)
	encode := base64.RawStdEncoding.EncodeToString
	writeFile(t, r.usersFile, fmt.Appendf(nil, "%s:$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s\n", puller, argon2.Version, memoryKiB, passes, lanes, encode(salt), encode(key)), 0o600)
	addr := freeAddr(t)
	cmd := command(t, binary(t), "serve", "--listen", addr, "--cert", r.certificate.certFile, "--key", r.certificate.keyFile,
		"--upstream", blobs(t), "--users", r.usersFile, "--groups", r.groupsFile)
	cmd.Env = append(cmd.Env, "GOMEMLIMIT=256MiB", "GOMAXPROCS=8")
	f := front{start(t, cmd), addr, r.certificate}
	f.listening(t, addr)
	var guesses sync.WaitGroup
	for i := range 12 {
		guesses.Go(func() { f.request(t, "GET", "/v2/", fmt.Sprintf("nobody%d", i), "a guess") })
	}
	guesses.Wait()
	if resp, body := f.request(t, "GET", "/v2/", puller, pullerPassword); resp.StatusCode != http.StatusCreated {
		t.Errorf("the user got %s %s", resp.Status, body)
	}
	peak := f.peakMemory(t)
	t.Logf("peak memory: %d MiB", peak>>20)
	if peak > maxMemory && raceFlag == "-race=false" {
		t.Errorf("the gateway took %d MiB, more than %d", peak>>20, maxMemory>>20)
	}
}
