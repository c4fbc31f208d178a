package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gatehouse/gateway/admin"
	"gatehouse/internal/testkit"
)

// No token that a command has shown is lost, and none that it has revoked is alive, wherever
// the gateway is killed. GATEHOUSE_TEST_CUTS does that to the file alone, and more often.
func TestTokensOutlastAKilledGateway(t *testing.T) {
	t.Parallel()
	r, upstream := newRecipe(t), takesAll(t)
	texts := append([]string{"[cache]", "per_user = 1000\n[cache]"}, storeTexts...)
	shown, revoked, unsure := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for round := range 4 {
		f := r.serveTokens(t, upstream, texts...)
		kill := 5 + 3*round // commands before the one beside which the gateway is killed
		for n := 0; ; n++ {
			if n == kill {
				go f.cmd.Process.Signal(syscall.SIGKILL)
			}
			secret, code := r.token(t, "", "create", "-q", fmt.Sprintf("t-%d-%d", round, n), "--user", puller)
			if code != 0 {
				if code != 4 || ownSecret.MatchString(secret) {
					t.Fatalf("exit code %d\n%s", code, secret)
				}
				break
			}
			shown[strings.TrimSpace(secret)] = true
			if n%2 == 0 {
				continue
			}
			// The robot of the round is made and ended over and over.
			name := fmt.Sprintf("r-%d-%d", round, n)
			robot, code := r.token(t, "", "create", "-q", "--robot", name, "--owner", "group local:pusher")
			if code != 0 {
				break
			}
			robot = strings.TrimSpace(robot)
			if _, code := r.token(t, "", "revoke", "--robot", name); code == 0 {
				revoked[robot] = true
			} else {
				unsure[robot] = true
				break
			}
		}
		<-f.done
	}
	r.serveTokens(t, upstream, texts...)
	if len(shown) < 20 || len(revoked) < 8 {
		t.Fatalf("only %d were shown and %d revoked", len(shown), len(revoked))
	}
	for secret := range shown {
		if out, code := r.token(t, secret, "show"); code != 0 {
			t.Errorf("a token that was shown: exit code %d\n%s", code, out)
		}
	}
	for secret := range revoked {
		if out, code := r.token(t, secret, "show"); code != 1 || !strings.Contains(out, "was revoked") {
			t.Errorf("a token that was revoked: exit code %d\n%s", code, out)
		}
	}
	t.Logf("%d shown, %d revoked, %d of which nobody was told", len(shown), len(revoked), len(unsure))
}

// On a full disk no secret is shown, the file stays whole, and what is revoked is revoked
// as long as the process runs.
func TestTokensOnAFullDisk(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	disk := filepath.Join(r.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32k"); err != nil {
		testkit.Missing(t, "this test needs a small disk: run it as root, where file systems can be mounted")
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	texts := append([]string{"[cache]", "per_user = 1000\n[cache]"}, storeTexts...)
	texts[3] = strings.Replace(texts[3], "tokens.jsonl", "disk/tokens.jsonl", 1)
	f := r.serveTokens(t, takesAll(t), texts...)
	var early []admin.MadeToken
	for n := range 12 { // more than can be revoked where none can be made any more
		early = append(early, r.made(t, "create", fmt.Sprint("early-", n), "--user", puller))
	}
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is larger than it was to be")
	}
	store := filepath.Join(disk, "tokens.jsonl")
	full, made := false, len(early)
	for n := range 20 {
		before := readFile(t, store)
		out, code := r.token(t, "", "create", "-q", fmt.Sprint("more-", n), "--user", puller)
		if code == 0 {
			made++
			continue
		}
		full = true
		if code != 4 || ownSecret.MatchString(out) || !strings.Contains(out, "no space left") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		if after := readFile(t, store); after != before {
			t.Errorf("the file has changed by %d bytes", len(after)-len(before))
		}
		break
	}
	if !full {
		t.Fatal("the disk is not full")
	}
	kept := true
	for _, token := range early {
		out, code := r.token(t, "", "revoke", token.ID)
		if code == 0 {
			continue
		}
		kept = false
		if code != 4 || !strings.Contains(out, "no space left") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		if out, code := r.token(t, token.Secret, "show"); code != 1 || !strings.Contains(out, "was revoked") {
			t.Errorf("revoked on a full disk: exit code %d\n%s", code, out)
		}
	}
	if kept {
		t.Error("all revocations have found room")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.made(t, "create", "room", "--user", puller)
	f.stop()
	r.serveTokens(t, takesAll(t), texts...)
	if all := r.listed(t, "--all"); len(all) != made+1 {
		t.Errorf("%d tokens are kept, want %d", len(all), made+1)
	}
}
