package main_test

import (
	"crypto/tls"
	"gatehouse/internal/testkit"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignalLetsARunningUploadFinish ends the gateway in the middle of a push.
// Nobody new gets in, the push ends as if nothing had happened, and then the
// program ends with success.
func TestSignalLetsARunningUploadFinish(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program)
			upstream := registry.start(t)
			f := newRecipe(t).gatehouse(t, upstream)
			push := startPush(t, f)

			f.cmd.Process.Signal(syscall.SIGTERM)
			testkit.Await(t, "new connections are refused", func() bool { return !accepts(f.addr) })
			push.finish()

			if resp := <-push.answer; resp == nil || resp.StatusCode != http.StatusCreated {
				t.Fatalf("the push ended with %v", resp)
			}
			if code := f.exitCode(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			bare := uploader{t, http.DefaultClient, "HTTP/1.1"}
			if got := bare.fetch(upstream + "/v2/team/app/blobs/" + push.digest); got != push.digest {
				t.Errorf("pushed %s, the registry has %s", push.digest, got)
			}
		})
	}
}

// TestSecondSignalEndsAtOnce ends the gateway twice while a push hangs.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	f := newRecipe(t).gatehouse(t, registry.start(t))
	push := startPush(t, f)

	f.cmd.Process.Signal(syscall.SIGTERM)
	testkit.Await(t, "new connections are refused", func() bool { return !accepts(f.addr) })
	select {
	case <-f.done:
		t.Fatal("the first signal ended the program in spite of a running push")
	default:
	}
	f.cmd.Process.Signal(syscall.SIGTERM)
	if code := f.exitCode(t); code == 0 {
		t.Error("a program that cut off a push ended with success")
	}
	if resp := <-push.answer; resp != nil {
		t.Errorf("the push that was cut off ended with %s", resp.Status)
	}
}

// TestHangupEndsNothing sends what log rotation sends to other servers.
func TestHangupEndsNothing(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	f := newRecipe(t).gatehouse(t, registry.start(t))
	push := startPush(t, f)

	f.cmd.Process.Signal(syscall.SIGHUP)
	testkit.Await(t, "the signal is in the log", func() bool { return strings.Contains(f.output.String(), "SIGHUP") })
	push.finish()

	if resp := <-push.answer; resp == nil || resp.StatusCode != http.StatusCreated {
		t.Errorf("the push ended with %v", resp)
	}
	if !accepts(f.addr) {
		t.Error("new connections are refused")
	}
}

// TestDrainEnds ends the gateway while a push hangs, which then has as long as
// the setting says.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	f := newRecipe(t).gatehouse(t, registry.start(t), "--drain", "1s")
	push := startPush(t, f)

	f.cmd.Process.Signal(syscall.SIGTERM)
	if code := f.exitCode(t); code == 0 {
		t.Error("a program that cut off a push ended with success")
	}
	if resp := <-push.answer; resp != nil {
		t.Errorf("the push that was cut off ended with %s", resp.Status)
	}
}

// A push is an upload that stands in its middle until finish is called.
type push struct {
	digest string
	finish func()
	answer chan *http.Response // nil if there was none
}

// startPush returns when half of the layer is sent. It asks to be told to send
// it, so that by then the gateway has let the push in.
func startPush(t *testing.T, f front) push {
	t.Helper()
	u := uploader{t, f.certificate.client(f.addr), "HTTP/2.0"}
	u.client.Transport.(*http.Transport).ExpectContinueTimeout = patience
	location := u.do("POST", "/v2/team/app/blobs/uploads/", nil, http.StatusAccepted)

	layer := make([]byte, 1<<20)
	p := push{digest: digest(layer), answer: make(chan *http.Response, 1)}
	body, in := io.Pipe()
	t.Cleanup(func() { in.CloseWithError(io.ErrUnexpectedEOF) })
	req, err := http.NewRequest("PUT", "https://registry.test"+withDigest(t, location, p.digest), body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(layer))
	req.Header.Set("Expect", "100-continue")
	req.SetBasicAuth(pusher, pusherPassword)
	go func() {
		resp, err := u.client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		p.answer <- resp
	}()
	if _, err := in.Write(layer[:len(layer)/2]); err != nil {
		t.Fatal(err)
	}
	p.finish = func() {
		in.Write(layer[len(layer)/2:])
		in.Close()
	}
	return p
}

// TestPasswordFileChangesWhileRunning: what an administrator writes into the
// files counts soon, however often the old password was remembered.
func TestPasswordFileChangesWhileRunning(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	r := newRecipe(t)
	f := r.gatehouse(t, registry.start(t))
	status := func(method, path, user, password string) int {
		resp, _ := f.request(t, method, path, user, password)
		return resp.StatusCode
	}
	becomes := func(what string, want int, method, path, user, password string) {
		t.Helper()
		took := testkit.Await(t, what, func() bool { return status(method, path, user, password) == want })
		t.Logf("%s after %v", what, took.Round(time.Millisecond))
	}
	const upload = "/v2/team/app/blobs/uploads/"
	becomes("the puller gets in", 200, "GET", "/v2/", puller, pullerPassword)
	becomes("the puller may not push", 403, "POST", upload, puller, pullerPassword)
	becomes("a password of the future is refused", 401, "GET", "/v2/", puller, "changed")

	writeFile(t, r.usersFile, []byte(htpasswdLine(t, puller, "changed")), 0o644)
	becomes("the old password is refused", 401, "GET", "/v2/", puller, pullerPassword)
	becomes("the new password counts", 200, "GET", "/v2/", puller, "changed")
	becomes("a user who was removed is refused", 401, "GET", "/v2/", pusher, pusherPassword)

	writeFile(t, r.groupsFile, []byte("pusher: "+puller+"\n"), 0o644)
	becomes("a new member of the group may push", 202, "POST", upload, puller, "changed")

	if err := os.WriteFile(r.usersFile, []byte("half a li"), 0o644); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, "the broken file is complained about", func() bool {
		return strings.Contains(f.output.String(), filepath.Base(r.usersFile))
	})
	becomes("the last good file counts", 200, "GET", "/v2/", puller, "changed")
}

// TestCertificateIsReplacedWhileRunning: a renewed certificate needs no
// restart, and a pair that does not work does no harm.
func TestCertificateIsReplacedWhileRunning(t *testing.T) {
	t.Parallel()
	registry := registries[0]
	needs(t, registry.program)
	r := newRecipe(t)
	f := r.gatehouse(t, registry.start(t))
	shows := func(c certificate) bool { return f.serial(t).Cmp(c.serial) == 0 }
	if !shows(r.certificate) {
		t.Fatal("the gateway does not show its certificate")
	}
	second := newCertificate(t, r.dir)
	testkit.Await(t, "the second certificate is shown", func() bool { return shows(second) })

	other := newCertificate(t, t.TempDir())
	key, err := os.ReadFile(other.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	said := len(f.output.String())
	writeFile(t, r.certificate.keyFile, key, 0o600)
	testkit.Await(t, "the pair that does not match is complained about", func() bool {
		return strings.Contains(f.output.String()[said:], "certificate")
	})
	if !shows(second) {
		t.Error("a pair that does not match drove out the one that worked")
	}
	fourth := newCertificate(t, r.dir)
	testkit.Await(t, "the fourth certificate is shown", func() bool { return shows(fourth) })
}

// serial returns the serial number of the certificate that f shows.
func (f front) serial(t *testing.T) *big.Int {
	t.Helper()
	// The number is what is asked for; trust in it is not the question here.
	conn, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}
