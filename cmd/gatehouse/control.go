package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// control asks the gateway that runs on this machine over its control socket,
// which answers in JSON.
type control struct {
	socket string // or address
	base   string // of URLs
	client *http.Client
}

// errNotThere is why [control.get] fails where the gateway runs and has nothing
// under the path.
var errNotThere = errors.New("the gateway has nothing of that name")

// maxControlAnswer bounds what is read of an answer.
const maxControlAnswer = 8 << 20

// controlFlags adds the flag by which a command finds the socket.
func controlFlags(cmd *cobra.Command) {
	cmd.Flags().String("socket", "", "control socket of the running gateway (default the one that the configuration names)")
}

// newControl returns the control of the gateway whose socket the flag --socket
// names, or else the configuration. A configuration with errors does: what it
// says of rules and backends does not matter here.
func newControl(cmd *cobra.Command) (*control, error) {
	socket, err := cmd.Flags().GetString("socket")
	if err == nil && socket == "" {
		socket, err = configuredSocket(cmd)
	}
	if err != nil {
		return nil, &exitError{2, err}
	}
	return newSocketControl(socket), nil
}

func newSocketControl(socket string) *control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &control{socket, "http://gatehouse", &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// serviceSocket is the one that the unit of systemd gives the gateway.
const serviceSocket = "/run/gatehouse/admin.sock"

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

func configuredSocket(cmd *cobra.Command) (string, error) {
	c, path, err := loadNamed(cmd)
	if err != nil {
		return "", err
	}
	socket := c.AdminSocket()
	if socket == "" && isSocket(serviceSocket) {
		socket = serviceSocket
	}
	if socket == "" {
		return "", fmt.Errorf("%s: there is no socket under [admin] by which a running gateway could be asked: set one, or give --socket", path)
	}
	return socket, nil
}

// get asks for what is under path and decodes it into answer. It fails with
// [errNotThere] where there is nothing.
func (c *control) get(ctx context.Context, path string, answer any) error {
	return c.do(ctx, http.MethodGet, path, nil, answer)
}

// post has the gateway do what path says and decodes what came of it into answer,
// which may be nil.
func (c *control) post(ctx context.Context, path string, answer any) error {
	return c.do(ctx, http.MethodPost, path, nil, answer)
}

// postFrom has the running gateway of cmd do what path says, as [control.post] does.
func postFrom(cmd *cobra.Command, path string, answer any) error {
	return tell(cmd, path, nil, answer)
}

// tell is postFrom with a question, which is sent in JSON unless it is nil.
func tell(cmd *cobra.Command, path string, question, answer any) error {
	c, err := newControl(cmd)
	if err != nil {
		return err
	}
	return c.do(cmd.Context(), http.MethodPost, path, question, answer)
}

// do fails with an [exitError]: 1 where the gateway says no, 2 where it says that the
// question makes no sense, 4 where it says nothing.
func (c *control) do(ctx context.Context, method, path string, question, answer any) error {
	var body io.Reader
	if question != nil {
		text, err := json.Marshal(question)
		if err != nil {
			return &exitError{2, err}
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return &exitError{2, err}
	}
	return c.send(r, answer)
}

// send sends a request, and decodes the answer into answer, which may be nil.
func (c *control) send(r *http.Request, answer any) error {
	resp, err := c.client.Do(r)
	if err != nil {
		return &exitError{4, fmt.Errorf("ask the gateway at %s: %w; is it running, and may this user write to the socket?", c.socket, errors.Unwrap(err))}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxControlAnswer))
	switch {
	case err != nil:
		return &exitError{4, fmt.Errorf("ask the gateway at %s: %w", c.socket, err)}
	case resp.StatusCode == http.StatusNotFound:
		return &exitError{1, errNotThere}
	case resp.StatusCode >= http.StatusInternalServerError:
		return &exitError{4, c.refusal(resp, body)}
	case resp.StatusCode == http.StatusBadRequest:
		return &exitError{2, c.refusal(resp, body)}
	case resp.StatusCode >= http.StatusBadRequest:
		return &exitError{1, c.refusal(resp, body)}
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return &exitError{4, fmt.Errorf("read the answer of the gateway at %s: %w", c.socket, err)}
	}
	return nil
}

// refusal says why the gateway did not do what was asked.
func (c *control) refusal(resp *http.Response, body []byte) error {
	var said struct {
		Error string     `json:"error"`
		Code  fault.Code `json:"code"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		said.Error = strings.TrimSpace(string(body))
	}
	return fault.With(said.Code, fmt.Errorf("the gateway at %s answers %s: %s", c.socket, resp.Status, shown.Lines(said.Error)))
}
