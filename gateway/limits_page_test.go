package gateway

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"gatehouse/gateway/record"
)

var updateLimits = flag.Bool("update-limits", false, "write docs/limits.md anew")

// allowance is something that clients can have, and what bounds the sum of it.
type allowance struct {
	what   string
	each   int                 // bytes
	most   func(limit int) int // with that much memory
	set    string              // where the bound is set
	budget string              // why more than a quarter of the memory in all does no harm; empty where it is less
}

// part returns how many things of that size a part of the memory has room for.
func part(part, size int) func(int) int { return func(limit int) int { return limit / part / size } }

func always(n int) func(int) int { return func(int) int { return n } }

// Sizes that no constant has, measured and rounded up.
const (
	queuedMemory = 16 << 10 // of a request that waits for an upstream: stacks and its head
	idleMemory   = 8 << 10  // of a connection to an upstream that nobody uses
	streamMemory = 12 << 10 // stacks of a stream
	hashMemory   = 64 << 20 // of a password hash, as its file says; bcrypt and SHA-crypt take none
)

func allowances() []allowance {
	var l Limits
	l.setDefaults()
	head := l.undecidedMemory()
	wideMemory := l.wideMemory()
	connections, exchanges := part(connectionsPart, connectionMemory), part(exchangesPart, exchangeMemory)
	return []allowance{
		{"connection of a client, its TLS handshake and its narrow window included", connectionMemory, connections, "a quarter of the memory, `limits.connections`, half of the descriptors that are shared out; of these `limits.per_address`, `limits.handshakes`, and half for one user", ""},
		{fmt.Sprintf("connection of HTTP/2 on which nobody has logged in, with %d requests that it may have under way", narrowStreams), l.guestMemory(), part(guestsPart, l.guestMemory()),
			"an eighth of the memory; others wait behind their handshake, in their order", ""},
		{"wide connection of HTTP/2: a window of 1 MiB and `limits.streams`", wideMemory, part(widePart, wideMemory), fmt.Sprintf("an eighth of the memory, of which one network has 1/%d at most; beyond, a connection is narrow", wideShare), ""},
		{"stream of a narrow connection", streamMemory, func(limit int) int { return connections(limit) * narrowStreams }, fmt.Sprintf("%d for each connection", narrowStreams), ""},
		{"request that no rule has allowed yet, with its head: pending logins, the waiting room of the flood control and equal questions included", head, part(undecidedPart, head),
			"an eighth of the memory; from half of that on, backends are asked about nobody who is not remembered; beyond all of it, connections with more than a few end", ""},
		{"password hash that is being computed, such as the second recommendation of RFC 9106 for argon2id", hashMemory, part(hashesPart, hashMemory),
			"a quarter of the memory, in which all backends wait for their turn; each backend computes as many at once as there are processors; a file of users with a hash that takes more than the whole is refused", ""},
		{"request that waits for a connection to its upstream", queuedMemory, always(1024), "`limits.upstream_queue`", ""},
		{"exchange with an upstream, downloads and uploads", exchangeMemory, exchanges, "a quarter of the memory, `limits.upstream_connections`, two fifths of the descriptors that are shared out; of these `limits.upstream_per_client`, at most half for one client, and three quarters for one of several upstreams", ""},
		{"connection to an upstream that nobody uses", idleMemory, func(limit int) int { return exchanges(limit) / 4 }, "a quarter of the connections to upstreams", ""},
		{"refusal that is kept for `gatehouse why`", 6 * maxKeptText, always(refusalKinds * keptRefusals), "fixed", ""},
		{"queue of the access log, and what is being written of it", record.MaxAccessBytes, always(2), "fixed; what is over is dropped and counted", ""},
		{"queue of the audit log, and what is being written of it", record.MaxAuditBytes, always(2), "fixed; what is over is dropped and counted, or refused with `audit_required`", ""},
	}
}

// limitsPage returns docs/limits.md.
func limitsPage() []byte {
	var b bytes.Buffer
	b.WriteString(`# What clients can take

The gateway bounds what each client can have, and what all of it comes to, before anybody has logged in and after. The memory limit in force is the least of ` + "`GOMEMLIMIT`" + `, 90 % of what the
control group grants (` + "`memory.max`" + `) and half of the machine's memory; ` + "`gatehouse_memory_limit_bytes`" + ` shows it. Where memory or file descriptors have room for fewer connections than the
configuration says, the log says so at the start. This page is made from the constants of the program.

| allowance | each | with 256 MiB | in all | with 4 GiB | in all | bound by |
|---|---|---|---|---|---|---|
`)
	for _, a := range allowances() {
		set := a.set
		if a.budget != "" {
			set += ". It is more than a quarter of the memory in all: " + a.budget
		}
		fmt.Fprintf(&b, "| %s | %d KiB | %d | %d MiB | %d | %d MiB | %s |\n", a.what, a.each>>10,
			a.most(256<<20), a.each*a.most(256<<20)>>20, a.most(4<<30), a.each*a.most(4<<30)>>20, set)
	}
	b.WriteString(`
## File descriptors

| there may be | kept for accepting, files, directories, logs and the admin listener | connections of clients | to upstreams, in use | to upstreams, not in use |
|---|---|---|---|---|
`)
	for _, all := range []int{256, 1024, 16384, 65536} {
		shared := sharedOf(all)
		fmt.Fprintf(&b, "| %d | %d | %d | %d | %d |\n", all, all-shared, shared/2, shared*2/5, shared/10)
	}
	fmt.Fprintf(&b, `
Each cache of credentials keeps names of groups in a sixteenth of the memory at most. Some of the rows hold the same memory: what a connection without a login has under way is in the row of connections and in that of requests that no rule has allowed, too.

## Who makes room

- Where there are as many connections of clients as there may be, those make room on which only bad logins were tried, then those that have sent nothing, and then those that have been of no use for
  longest: on which nobody has logged in since they came, or that wait for their client. Where those on which nobody has logged in are more than half of all, only they make room. A request that was allowed is not cut off
  for this. Whoever has just come keeps its place for %v, or for %v if it sends nothing.
- Where there are as many connections of HTTP/2 on which nobody has logged in as there may be, they make room for the next one in the same order, after %v each.
- A user who has half of all connections gets a 503 that says so on the next one, and that one is closed.
- A request that finds no connection to its upstream waits for %v at most, and is then answered with 503 and `+"`Retry-After`"+`. Of those that wait, one of the client with fewest in use goes first. Where the client
  itself has as many as one may have, nothing is read from the connection for %v, and longer each time up to %v; likewise after a login that is put off.
- While another request waits, a client that has moved no byte of a body for %v is cut off; of several such, one with most connections. A client that moves a little is not cut off for this, but may be by `+"`limits.body_rate`"+`.
- Bodies over HTTP/2 move by 64 KiB in each round trip, because net/http takes in what a window allows before there is a decision and cannot open it afterwards. Over HTTP/1.1 a body is not read before the decision.
`, tenure, silentTenure, guestTenure, slotPatience, 2*minPause, maxPause, stuckAfter)
	return b.Bytes()
}

func TestLimitsPageIsCurrent(t *testing.T) {
	const path = "../docs/limits.md"
	want := limitsPage()
	if *updateLimits {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/limits.md is not what the constants make (%v): write it anew with\n\tgo test ./gateway -run LimitsPage -update-limits", err)
	}
}

// What is more than a quarter of the memory in all has a budget that is less.
func TestSEC2SumsOfAllowancesAreBounded(t *testing.T) {
	for _, limit := range []int{256 << 20, 1 << 30, 4 << 30} {
		for _, a := range allowances() {
			if sum := a.each * a.most(limit); sum > limit/4 && a.budget == "" {
				t.Errorf("with %d MiB: %s: %d MiB in all, and nothing bounds the sum", limit>>20, a.what, sum>>20)
			}
		}
	}
}
