package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// uploading starts an upload that goes on for as long as the test feeds it.
func uploading(t *testing.T, tg *testGateway, up *capture) (feed *io.PipeWriter, answer chan *http.Response) {
	t.Helper()
	body, feed := io.Pipe()
	t.Cleanup(func() { feed.Close() }) // no gateway ends before its uploads do
	r, _ := http.NewRequest("PUT", tg.url("/v2/x"), body)
	r.Header.Set("Authorization", basic("push"))
	answer = make(chan *http.Response, 1)
	client := tg.client(t)
	go func() {
		resp, err := client.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		answer <- resp
	}()
	feed.Write([]byte("begin"))
	testkit.Await(t, "the upload has begun", func() bool { begun, _, _ := up.counts(); return begun == 1 })
	return feed, answer
}

func TestRunningUploadsFinishWhenServingEnds(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		tg := startGateway(t, change, recipeRoute(t, up.url()))
		feed, answer := uploading(t, tg, up)
		tg.end()
		testkit.Await(t, name+": new connections are refused", func() bool {
			c, err := net.DialTimeout("tcp", tg.addr, time.Second)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		feed.Write([]byte(" and end"))
		feed.Close()
		if resp := <-answer; resp == nil || resp.StatusCode != 200 || up.bodies[0] != "begin and end" {
			t.Errorf("%s: answer %v, the upstream got %q", name, resp, up.bodies)
		}
		if err := <-tg.served; err != nil {
			t.Errorf("%s: Serve: %v", name, err)
		}
		tg.served <- nil // for the end of the test
	}
}

func TestCloseCutsRunningUploads(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	feed, answer := uploading(t, tg, up)
	tg.end()
	tg.Close()
	<-tg.served
	tg.served <- nil
	testkit.Await(t, "the upstream has lost the request", func() bool { _, _, broken := up.counts(); return broken == 1 })
	feed.CloseWithError(io.ErrUnexpectedEOF) // the client waits for its own writing to end
	if resp := <-answer; resp != nil {
		t.Errorf("answer %v", resp.Status)
	}
}

// A client that has sent more than its request is not listened to meanwhile. Its
// request ends all the same, whatever it waits for.
func TestCloseCutsRequestsThatOthersFollow(t *testing.T) {
	asked, silent := make(chan bool, 1), make(chan bool)
	defer close(silent)
	up := newUpstreamScript(t, func(net.Conn, *http.Request) bool {
		asked <- true
		<-silent
		return false
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	tg.dial(t).send(t, head("GET /v2/ HTTP/1.1")+"GET ")
	<-asked
	start := time.Now()
	tg.end()
	tg.Close()
	<-tg.served
	tg.served <- nil
	if took := time.Since(start); took > testkit.Patience {
		t.Errorf("it took %v", took)
	}
}

func TestDrainEndsWithItsTime(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, func(c *Config) { c.Timeouts.Drain = 50 * time.Millisecond }, recipeRoute(t, up.url()))
	feed, answer := uploading(t, tg, up)
	tg.end()
	err := <-tg.served
	tg.served <- nil
	feed.CloseWithError(io.ErrUnexpectedEOF)
	if err == nil {
		t.Error("Serve says that all requests ended by themselves")
	}
	if resp := <-answer; resp != nil {
		t.Errorf("answer %v", resp.Status)
	}
}

func newRequest(method, target string) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), method, "http://localhost/", nil)
	if err != nil {
		panic(err)
	}
	r.RequestURI = target
	return r
}

// Two signals at once, as a process group gets them, are no fault where nothing
// runs.
func TestCloseOfWhatIsIdleIsNoFault(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		tg := startGateway(t, change, recipeRoute(t, newUpstreamLog(t, nil).URL))
		text(t, tg.do(t, "pull", "GET", "/v2/", nil)) // the client keeps the connection
		tg.records(t, 1)
		tg.end()
		tg.Close()
		if err := <-tg.served; err != nil {
			t.Errorf("%s: Serve: %v", name, err)
		}
		tg.served <- nil // for the end of the test
	}
}
