package main

import (
	"bytes"
	"context"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the upstream that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == upstreamCommand {
		os.Exit(exitCode(runUpstream(os.Args[2:], os.Stdin)))
	}
	os.Exit(m.Run())
}

func small(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parseOptions(append([]string{
		"-rounds", "2", "-requests", "40", "-conns", "4", "-blobs", "2", "-blob-mib", "1", "-handshakes", "10", "-idle", "20",
	}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRunMeasuresTheUpstreamAndCleansUp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if err := run(t.Context(), small(t, "-only", direct, "-o", "json"), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, row := range got.Measures {
		switch _, found := row.Cells[direct]; row.Key {
		case smallRate, smallP50, smallP99:
			if row.Cells[direct].Min <= 0 {
				t.Errorf("%s: got %+v, want more than nothing", row.Key, row.Cells)
			}
		case handshakeCPU, idleRSS, idleEach:
			if found {
				t.Errorf("%s: measured without TLS", row.Key)
			}
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, small(t, "-only", direct), io.Discard, io.Discard); err == nil {
		t.Error("a cancelled run succeeded")
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range []string{
		"-rounds 0", "-only squid", "-o xml", "-hash md5", "-profile x -gatehouse y", "-profile-of sleep", "stray", "-limit fast",
	} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: accepted", args)
		}
	}
}

func TestProfileWantsGatehouseAlone(t *testing.T) {
	o := small(t, "-profile", "cpu.out")
	for _, name := range serverNames() {
		if got, want := o.wants(name), name == "gatehouse"; got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

func TestTemplatesAreFilledIn(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			for _, logged := range []bool{true, false} {
				l, err := newLab(options{hash: "apr1", blobMiB: 1, accessLog: logged})
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				file, addr, err := k.configure(l)
				if err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{addr, l.Upstream, "Registry Authentication"} {
					if !strings.Contains(string(text), want) {
						t.Errorf("no %q in:\n%s", want, text)
					}
				}
			}
		})
	}
}

func TestStoppedProcessIsGone(t *testing.T) {
	l, err := newLab(options{hash: "apr1", blobMiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	p, err := startUpstream(l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := groupCPU(p.group()); err != nil {
		t.Errorf("running: %v", err)
	}
	if rss, err := groupRSS(p.group()); err != nil || rss == 0 {
		t.Errorf("running: %d bytes, %v", rss, err)
	}
	start := time.Now()
	p.stop()
	if _, err := groupCPU(p.group()); err == nil {
		t.Errorf("still there %v after it was stopped", time.Since(start))
	}
}

func TestProfilerIsLaidOverTheCommand(t *testing.T) {
	l := &lab{Dir: t.TempDir()}
	file, err := writeProfiler(l, "/module")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &overlay); err != nil {
		t.Fatal(err)
	}
	source := overlay.Replace["/module/cmd/gatehouse/bench_profiler.go"]
	f, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil || f.Name.Name != "main" {
		t.Errorf("%q: %v", source, err)
	}
}
