package gateway

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"gatehouse/gateway/limits"
	"gatehouse/gateway/record"
	"gatehouse/gateway/sockets"
)

var updateLimits = flag.Bool("update-limits", false, "write docs/limits.md anew")

// allowance is something that clients can have, and what bounds the sum of it.
type allowance struct {
	what   string
	each   int                 // bytes
	most   func(limit int) int // with that much memory
	set    string              // where the bound is set
	twice  int                 // bytes of each that count in another row, too
	after  bool                // only requests have it that a rule has allowed
	budget string              // why more than a quarter of the memory in all does no harm; empty where it is less
}

// part returns how many things of that size a part of the memory has room for.
func part(part, size int) func(int) int { return func(limit int) int { return limit / part / size } }

func always(n int) func(int) int { return func(int) int { return n } }

// Sizes that no constant has, measured and rounded up.
const (
	queuedMemory  = 16 << 10 // of a request that waits for an upstream: stacks and its head
	idleMemory    = 8 << 10  // of a connection to an upstream that nobody uses
	streamMemory  = 12 << 10 // stacks of a stream
	networkMemory = 1 << 9   // of a network that is remembered
	hashMemory    = 64 << 20 // of a password hash, as its file says; bcrypt and SHA-crypt take none
)

func allowances() []allowance {
	var l limits.Limits
	l.SetDefaults()
	head := l.UndecidedMemory()
	wideMemory := l.WideMemory()
	connections, exchanges := part(limits.ConnectionsPart, limits.ConnectionMemory), part(limits.ExchangesPart, limits.ExchangeMemory)
	return []allowance{
		{"connection of a client, with its TLS handshake and the window of a narrow connection", limits.ConnectionMemory, connections, "the least of a quarter of the memory, `limits.connections`, and half of the descriptors that are shared out. Of these one address may have `limits.per_address`, one user half, and `limits.handshakes` may be in their TLS handshake", 0, false, ""},
		{fmt.Sprintf("connection of HTTP/2 on which nobody has logged in, with the %d requests that it may have under way", limits.NarrowStreams), l.GuestMemory(), part(limits.GuestsPart, l.GuestMemory()),
			"a twelfth of the memory. More of them wait after their handshake", l.GuestMemory(), false, ""},
		{"wide connection of HTTP/2, with a window of 1 MiB and `limits.streams` requests", wideMemory, part(limits.WidePart, wideMemory), fmt.Sprintf("an eighth of the memory, of which one network has 1/%d at most. Further connections are narrow", sockets.WideShare), wideMemory - limits.WideWindow, false, ""},
		{"stream of a narrow connection", streamMemory, func(limit int) int { return connections(limit) * limits.NarrowStreams }, fmt.Sprintf("%d for each connection", limits.NarrowStreams), 0, false, ""},
		{"request that no rule has allowed yet, with its head. Requests count that wait for a login, also in the flood control or for the answer to an equal question", head, part(limits.UndecidedPart, head),
			"an eighth of the memory. From half of that on, only users are let in whose login is remembered, and no backend is asked. When all of it is used, connections are closed that have more than a few such requests", 0, false, ""},
		{"password hash that is being computed, such as the second recommendation of RFC 9106 for argon2id", hashMemory, part(limits.HashesPart, hashMemory),
			"a quarter of the memory, in which all backends wait for their turn; each backend computes as many at once as there are processors; a file of users with a hash that takes more than the whole is refused", 0, false, ""},
		{"request that waits for a connection to its upstream", queuedMemory, always(1024), "`limits.upstream_queue`", 0, true, ""},
		{"exchange with an upstream, downloads and uploads", limits.ExchangeMemory, exchanges, "a quarter of the memory, `limits.upstream_connections`, two fifths of the descriptors that are shared out; of these `limits.upstream_per_client`, at most half for one client, and three quarters for one of several upstreams", 0, true, ""},
		{"64 KiB of a list of repositories or tags that is being made, or of a manifest that is held", heldStep, part(limits.HeldPart, heldStep), fmt.Sprintf("a sixteenth of the memory, beyond which such requests are refused with 503; of these half for one client, at least %d MiB. Of a list, the names of one answer of the registry and of one page are held, the page of 1 MiB at most; a manifest has 4 MiB at most", 3*maxManifest>>20), 0, true, ""},
		{"connection to an upstream that nobody uses", idleMemory, func(limit int) int { return exchanges(limit) / 4 }, "a quarter of the connections to upstreams", 0, true, ""},
		{"page of a catalog that is kept (`catalog_ttl`)", maxKeptNames, always(maxKeptPages), "fixed", 0, false, ""},
		{"place where an upload goes on that the OCI specification does not know", maxUploadPath + 512, always(maxUploadPlaces), fmt.Sprintf("fixed; one client has %d at most, and of more its oldest are forgotten", maxClientPlaces), 0, false, ""},
		{"refusal that is kept for `gatehouse why`", 6 * maxKeptText, always(refusalKinds * keptRefusals), "fixed", 0, false, ""},
		{"network whose standing is remembered", networkMemory, always(2 * sockets.RememberedNetworks), fmt.Sprintf("fixed: %d of each standing", sockets.RememberedNetworks), 0, false, ""},
		{"queue of the access log, and what is being written of it", record.MaxAccessBytes, always(2), "fixed; what is over is dropped and counted", 0, false, ""},
		{"queue of the audit log, and what is being written of it", record.MaxAuditBytes, always(2), "fixed; what is over is dropped and counted, or refused with `audit_required`", 0, false, ""},
	}
}

// sums returns what all allowances come to, by whether they are for requests that a rule
// has allowed. What stands in two rows counts once.
func sums(limit int) (strangers, allowed int) {
	for _, a := range allowances() {
		sum := (a.each - a.twice) * a.most(limit)
		if a.after {
			allowed += sum
		} else {
			strangers += sum
		}
	}
	return strangers, allowed
}

// summedLimits are the memory limits for which the page has sums.
var summedLimits = []int{256 << 20, 1 << 30, 4 << 30}

func sumsTable() string {
	before, beside, all := "| requests that no rule has allowed, their connections, and what is kept of them |", "| requests that a rule has allowed, beside that |", "| all |"
	for _, limit := range summedLimits {
		strangers, allowed := sums(limit)
		before += fmt.Sprintf(" %d MiB |", strangers>>20)
		beside += fmt.Sprintf(" %d MiB |", allowed>>20)
		all += fmt.Sprintf(" %d MiB |", (strangers+allowed)>>20)
	}
	return before + "\n" + beside + "\n" + all + "\n"
}

// limitsPage returns docs/limits.md.
func limitsPage() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# What clients can take

The gateway bounds what each client can have, and what all of it comes to, before anybody has logged in and after. The memory limit in force is the least of `+"`GOMEMLIMIT`"+`, 90 %% of what the
control group grants (`+"`memory.max`"+`) and half of the machine's memory; `+"`gatehouse_memory_limit_bytes`"+` shows it. Where memory or file descriptors have room for fewer connections than the
configuration says, the log says so at the start. This page is made from the constants of the program.

A connection of HTTP/2 is *wide* while there is memory for it: it may have `+"`limits.streams`"+` requests under way. Otherwise it is *narrow*, and may have %d. A *window* is how much a client may
send before the gateway has taken it in. The *descriptors that are shared out* are the last three columns of [file descriptors](#file-descriptors).

| allowance | each | with 256 MiB | in all | with 4 GiB | in all | bound by |
|---|---|---|---|---|---|---|
`, limits.NarrowStreams)
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
		shared := limits.SharedOf(all)
		fmt.Fprintf(&b, "| %d | %d | %d | %d | %d |\n", all, all-shared, shared/2, shared*2/5, shared/10)
	}
	fmt.Fprintf(&b, `
## What it comes to

| | with 256 MiB | with 1 GiB | with 4 GiB |
|---|---|---|---|
%s
Some memory stands in several rows and counts once here: a connection of HTTP/2 without a login is one of the connections, and its requests are among those that no rule has allowed, as are those of a wide connection. The first line stays below the memory limit. The last one does not: nothing
bounds what allowed requests take together with all that strangers take. If both use all that they may, the Go runtime collects garbage more often, and the program may take more than the limit.

Not in the table are the program itself, the configuration with its files of users, and the caches of credentials, of which each keeps names of groups in a sixteenth of the memory at most.

## Who makes room

- The gateway remembers the *standing* of networks (an address, or a /64 of IPv6): *welcome* are those from which somebody got what he asked for, *unwelcome* are those from which only bad logins came, or connections that were closed to make room, and those of a user who has more connections than he may. Whose standing is better goes first where there is no room for all.
- If a client connects and there are as many connections as there may be, another one is closed for it. Connections on which only bad logins were tried are closed first, then unwelcome ones, then those that have sent nothing.
  Then comes the connection that has been of no use for longest: nobody has logged in on it since it came, or it waits for its client. If more than half of all connections are without a login, only these are closed.
  A request that was allowed is not cut off for this. A new connection is left alone for %v, or for %v if it sends nothing, but for one whose standing is better. Where nobody can make room yet, it waits. Of unwelcome ones the last %d wait, and others are not kept waiting by them; those before are closed.
- If there are as many connections of HTTP/2 without a login as there may be, one of them is closed for the next one, in the same order. Each is left alone for %v. Of those that wait, the ones with the better standing go first, but every fourth turn is for the worst.
- TLS handshakes of unwelcome connections begin one after the other, %v apart, and wait for %v at most.
- A user who has half of all connections gets a 503 that says so on the next one, and that one is closed.
- A request that finds no connection to its upstream waits for %v at most. Then it is answered with 503 and `+"`Retry-After`"+`. Of the requests that wait, one of the client with fewest connections to upstreams goes first.
- If a client has as many connections to upstreams as one client may have, the gateway reads nothing from its connection for %v, and longer each time, up to %v. It does the same after a login that is put off. Of several such connections of one user it reads one after the other, %v apart or %v behind a wide one, and each after %v at most.
  This ends with the next request of the connection that gets what it asks for. It does not happen to connections of trusted proxies.
- While a request waits, a client that has moved no byte of a body for %v is cut off. If there are several, it is one of the client with most connections. A client that moves a little is not cut off for this, but may be by `+"`limits.body_rate`"+`.
- Bodies over HTTP/2 move by 64 KiB in each round trip: net/http takes in what a window allows before there is a decision, so the window is small, and net/http cannot make it larger afterwards. Over HTTP/1.1 a body is not read before the decision.
`, sumsTable(), sockets.Tenure, sockets.SilentTenure, sockets.WaitersApart, sockets.GuestTenure, sockets.ShakeGap, sockets.MaxShakeWait,
		limits.SlotPatience, 2*sockets.MinPause, sockets.MaxPause, sockets.NarrowGap, sockets.WideGap, sockets.MaxTurn, limits.StuckAfter)
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

// The page says that strangers cannot fill the memory, and that all who may have something
// can. If the second is no longer true, the page has to say so.
func TestSEC2SumOfAllowancesIsWhatThePageSays(t *testing.T) {
	for _, limit := range summedLimits {
		strangers, allowed := sums(limit)
		if strangers >= limit {
			t.Errorf("with %d MiB: strangers can take %d MiB", limit>>20, strangers>>20)
		}
		if strangers+allowed <= limit {
			t.Errorf("with %d MiB: all allowances are %d MiB, and the page says that they are more than the limit", limit>>20, (strangers+allowed)>>20)
		}
	}
}
