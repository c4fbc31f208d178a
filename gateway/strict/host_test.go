package strict

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	label := strings.Repeat("a", 63)
	name253 := strings.Repeat(label+".", 3) + strings.Repeat("b", 61)
	for hostport, want := range map[string]string{
		"registry.example":       "registry.example",
		"Registry.EXAMPLE":       "registry.example",
		"registry.example.":      "registry.example",
		"registry.example.:5043": "registry.example",
		"h:1":                    "h",
		"h:65535":                "h",
		"my_registry-1":          "my_registry-1",
		"xn--bcher-kva.example":  "xn--bcher-kva.example",
		"127.0.0.1:5043":         "127.0.0.1",
		"127.0.0.1.":             "127.0.0.1",
		"1a.2b":                  "1a.2b",
		"[::1]":                  "[::1]",
		"[::1]:5043":             "[::1]",
		"[2001:DB8:0:0::1]:443":  "[2001:db8::1]",
		label + ".example":       label + ".example",
		name253:                  name253,
		name253 + ".:443":        name253,
	} {
		if got, err := ParseHost(hostport); got != want || err != nil {
			t.Errorf("canonicalHost(%q) = %q, %v; want %q", hostport, got, err, want)
		}
	}
}

func refuseHosts(t *testing.T, want error, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		if got, err := ParseHost(host); got != "" || !errors.Is(err, want) {
			t.Errorf("canonicalHost(%q) = %q, %v; want error %q", host, got, err, want)
		}
	}
}

func TestHeaderInjectionByHostIsRefused(t *testing.T) {
	refuseHosts(t, errHost,
		"evil;proto=https,for=x", "a,b", `a"b`, "a=b", "a\r\nX", "a\nb", "a\x00b", "a\tb", "a b", " a", "a ", "a\x7f")
}

func TestHostWithMoreThanAnAuthorityIsRefused(t *testing.T) {
	refuseHosts(t, errHost, "user@host", "a/b", "/", `a\b`, "a?b", "a#b", "a%2eb", "host%00")
	refuseHosts(t, errHostPort, "user:pw@host", "http://host", "host:80/x", "host:80@evil")
}

func TestEmptyHostIsRefused(t *testing.T) {
	refuseHosts(t, errHost, "", ".", ":80", ".:80", "[]", "[]:80")
}

func TestHostWithEmptyLabelIsRefused(t *testing.T) {
	refuseHosts(t, errHost, "a..b", ".a", "a..", "..")
}

func TestOverlongHostIsRefused(t *testing.T) {
	label := strings.Repeat("a", 63)
	refuseHosts(t, errHost, label+"a", strings.Repeat(label+".", 3)+strings.Repeat("b", 62), strings.Repeat("a.", 4000)+"a")
}

func TestNonASCIIHostIsRefused(t *testing.T) {
	refuseHosts(t, errHost, "bücher.example", "\uff41.example", "a\u3002b", "\u212a", "\xff")
}

func TestBadPortIsRefused(t *testing.T) {
	refuseHosts(t, errHostPort,
		"h:", "h:0", "h:00", "h:080", "h:65536", "h:99999999999999999999", "h:-1", "h:+1", "h:1x", "h: 1", "h:1 ", "h:0x50", "h:1_0", "h:８０", "h:80:80",
		"[::1]:", "[::1]:0", "[::1]x", "[::1]80", "[::1]x80", "[::1]]")
}

func TestNumbersThatAreNoIPv4AddressAreRefused(t *testing.T) {
	refuseHosts(t, errHost,
		"127.1", "2130706433", "0x7f000001", "0x7f.1", "a.0x1F", "a.0x", "010.0.0.1", "256.0.0.1", "1.2.3.4.5", "registry.1", "1.2.3.4..")
}

func TestMalformedIPv6AddressIsRefused(t *testing.T) {
	refuseHosts(t, errHost, "[::1", "[", "[:::1]", "[127.0.0.1]", "[host]", "[::1%25eth0]", "[::1%eth0]", "[v1.x]", "[[::1]]")
	refuseHosts(t, errHostPort, "::1", "fe80::1")
}

func TestHostErrorsDoNotRepeatTheHost(t *testing.T) {
	for _, host := range []string{"canary canary", "canary:canary", "[canary]"} {
		if _, err := ParseHost(host); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("canonicalHost(%q): error %v; want one without the input", host, err)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{
		"registry.example:5043", "H.", "[::1]:443", "127.0.0.1", "[::ffff:1.2.3.4]", "[fe80::1%25eth0]", "0x7f.1", "evil;proto=https", "a..b", "u@h", "h:", "h:0",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, hostport string) {
		host, err := ParseHost(hostport)
		if err != nil {
			return
		}
		if again, err := ParseHost(host); err != nil || again != host {
			t.Errorf("canonicalHost(%q) = %q, then %q, %v", hostport, host, again, err)
		}
		if with, err := ParseHost(host + ":443"); err != nil || with != host {
			t.Errorf("canonicalHost(%q) = %q, %v; want the port dropped", host+":443", with, err)
		}
		u, err := url.Parse("http://" + hostport + "/")
		if err != nil || u.Host != hostport || u.User != nil || u.Path != "/" {
			t.Errorf("net/url reads %q as %+v, %v", hostport, u, err)
		}
	})
}
