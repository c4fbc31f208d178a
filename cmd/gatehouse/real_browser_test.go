package main_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// browser is a Chromium without a screen that is told what to do, as a person would: where
// to go, to click and to type. It is spoken to over the pipe of its debugging protocol, as
// messages of JSON that end in a NUL.
type browser struct {
	t        *testing.T
	in       io.Writer
	out      *bufio.Reader
	page     string // session of the one page
	user     string // with whose password it logs in where it is asked
	password string
	asked    []string // URLs that it has asked for
	last     int      // number of the last message
}

// newBrowser starts a browser that finds every host but this machine's own at an address.
func newBrowser(t *testing.T, addr string) *browser {
	t.Helper()
	toRead, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, toWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-features=HttpsUpgrades", "--force-device-scale-factor=1",
		"--host-resolver-rules=MAP *.example "+addr, "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{toRead, toWrite}
	p := start(t, cmd)
	toRead.Close()
	toWrite.Close()
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		p.stop()
		out.Close()
	})
	var made struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	b.page = attached.SessionID
	b.do("Page.enable", nil, nil)
	b.do("Fetch.enable", map[string]any{"handleAuthRequests": true}, nil)
	return b
}

// browserMessage is what the browser says.
type browserMessage struct {
	ID     int
	Method string
	Params struct {
		RequestID string
		Request   struct{ URL string }
	}
	Result json.RawMessage
	Error  *struct{ Message string }
}

func (b *browser) send(method string, params any) int {
	b.t.Helper()
	b.last++
	m := map[string]any{"id": b.last, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.page != "" {
		m["sessionId"] = b.page
	}
	if _, err := b.in.Write(append([]byte(toJSON(b.t, m)), 0)); err != nil {
		b.t.Fatal(err)
	}
	return b.last
}

// do sends a message and reads until there is its answer.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	for id := b.send(method, params); ; {
		text, err := b.out.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: the browser has gone: %v", method, err)
		}
		var m browserMessage
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			b.t.Fatal(err)
		}
		b.react(m)
		if m.ID != id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// react lets requests go on, and logs in where the browser would ask for a password.
func (b *browser) react(m browserMessage) {
	switch m.Method {
	case "Fetch.requestPaused":
		b.asked = append(b.asked, m.Params.Request.URL)
		b.send("Fetch.continueRequest", map[string]any{"requestId": m.Params.RequestID})
	case "Fetch.authRequired":
		answer := map[string]any{"response": "CancelAuth"}
		if b.user != "" {
			answer = map[string]any{"response": "ProvideCredentials", "username": b.user, "password": b.password}
		}
		b.send("Fetch.continueWithAuth", map[string]any{"requestId": m.Params.RequestID, "authChallengeResponse": answer})
	}
}

// open goes to a URL and waits until the page has a text.
func (b *browser) open(url, text string) {
	b.t.Helper()
	b.send("Page.navigate", map[string]any{"url": url})
	b.awaitText(text)
}

// eval returns what an expression in the page is.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		return nil // the page was just leaving, or has not what was asked for
	}
	return r.Result.Value
}

func (b *browser) text() string {
	text, _ := b.eval(`document.readyState == "complete" ? document.body.innerText : ""`).(string)
	return text
}

func (b *browser) awaitText(text string) {
	b.t.Helper()
	testkit.Await(b.t, fmt.Sprintf("the page shows %q", text), func() bool { return strings.Contains(b.text(), text) })
}

// click clicks in the middle of what a selector finds first.
func (b *browser) click(selector string) {
	b.t.Helper()
	at, ok := b.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2] })()`, selector)).([]any)
	if !ok {
		b.t.Fatalf("there is no %s to click on:\n%s", selector, b.text())
	}
	for _, act := range []string{"mousePressed", "mouseReleased"} {
		b.do("Input.dispatchMouseEvent", map[string]any{"type": act, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// fill types into a field, in place of what stands there.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.click(selector)
	b.eval(fmt.Sprintf(`document.querySelector(%q).select()`, selector))
	b.typeText(text)
}

func (b *browser) typeText(text string) {
	b.t.Helper()
	b.do("Input.insertText", map[string]any{"text": text}, nil)
}

// press presses a key: Tab, Enter or Space.
func (b *browser) press(key string) {
	b.t.Helper()
	event := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": map[string]int{"Tab": 9, "Enter": 13, "Space": 32}[key]}
	switch key {
	case "Enter":
		event["text"] = "\r"
	case "Space":
		event["key"], event["text"] = " ", " "
	}
	b.do("Input.dispatchKeyEvent", event, nil)
	event["type"] = "keyUp"
	delete(event, "text")
	b.do("Input.dispatchKeyEvent", event, nil)
}

// look makes the window so wide and high, and has the browser prefer light or dark.
func (b *browser) look(width, height int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// picture returns what the window shows, as a PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	var r struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	content, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return content
}
