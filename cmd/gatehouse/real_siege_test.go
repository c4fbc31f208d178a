package main_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attackOrder makes this program the attacker, which has a process of its own that gives
// way to others: what it takes of the processors is not to be taken from the clients that
// are measured.
const attackOrder = "GATEHOUSE_TEST_ATTACK"

// siege is an attack from many connections.
type siege struct {
	Kind           string // in sieges
	Addr, CertFile string
	Connections    int
	End            time.Time
	Head           int           // bytes of padding in the head of each request
	Reads          bool          // what it is answered
	Pause          time.Duration // before a connection that has ended is made again
}

// sieges are what each connection of an attack does, until it ends.
var sieges = map[string]func(attacker){
	"strangers":                      attacker.sendWrongPasswords,
	"downloads by streams":           attacker.takeNothing2,
	"downloads by connections":       attacker.takeNothing1,
	"uploads by connections":         attacker.sendNothing1,
	"downloads by streams again":     attacker.takeAgain2,
	"downloads by connections again": attacker.takeAgain1,
}

// attacker is one connection of it, which is made again when it has ended.
type attacker struct {
	siege
	roots  *x509.CertPool
	source net.IP
	name   string

	requests, answers *atomic.Int64
}

// dial connects by a protocol.
func (a attacker) dial(protocol string) (net.Conn, error) {
	d := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: a.source}, Deadline: a.End},
		Config:    &tls.Config{RootCAs: a.roots, ServerName: "registry.test", NextProtos: []string{protocol}},
	}
	c, err := d.Dial("tcp", a.Addr)
	if err == nil {
		c.(*tls.Conn).NetConn().(*net.TCPConn).SetReadBuffer(4 << 10) // what it does not take, the gateway has
		c.SetDeadline(a.End)
	}
	return c, err
}

// attack connects again and again until the end.
func (a attacker) attack() {
	for time.Now().Before(a.End) {
		sieges[a.Kind](a)
		time.Sleep(min(a.Pause, time.Until(a.End)))
	}
}

// run carries it out, and returns how many requests were sent and answers read.
func (g siege) run() (requests, answers int64) {
	pem, err := os.ReadFile(g.CertFile)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		panic(fmt.Sprintf("the certificate of the gateway: %v", err))
	}
	var sent, read atomic.Int64
	var attack sync.WaitGroup
	for i := range g.Connections {
		a := attacker{g, roots, net.IPv4(127, 77, byte(i/200), byte(i%200+1)), fmt.Sprintf("u%d", i%10), &sent, &read}
		attack.Go(a.attack)
	}
	attack.Wait()
	return sent.Load(), read.Load()
}

// start carries it out in a process of its own. The result says how it went, at its end.
func (g siege) start(t *testing.T) (result func() string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	order, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "19", self)
	cmd.Env = append(os.Environ(), attackOrder+"="+string(order))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() string {
		if err := cmd.Wait(); err != nil {
			t.Errorf("the attacker: %v: %s", err, output.Bytes())
		}
		return output.String()
	}
}

// attackIfAsked is the whole program where it is the attacker.
func attackIfAsked() {
	order := os.Getenv(attackOrder)
	if order == "" {
		return
	}
	var g siege
	if err := json.Unmarshal([]byte(order), &g); err != nil {
		panic(err)
	}
	requests, answers := g.run()
	fmt.Printf("%d requests, %d answers", requests, answers)
	os.Exit(0)
}

// sendFields sends a head of these names and values.
func sendFields(framer *http2.Framer, stream uint32, end bool, fields ...string) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	const most = 16 << 10 // in a frame
	first := block.Next(most)
	err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: block.Len() == 0})
	for block.Len() > 0 && err == nil {
		next := block.Next(most)
		err = framer.WriteContinuation(stream, block.Len() == 0, next)
	}
	return err
}
