package snippet

import (
	"strings"
	"testing"
)

func TestPadKeepsStringsApart(t *testing.T) {
	var p Pad
	var got, want []string
	for i := range 3000 {
		text := strings.Repeat(string(rune('a'+i%26)), i%40)
		if i == 1500 {
			text = strings.Repeat("long", piece)
		}
		p.Begin(len(text)).WriteString(text)
		got, want = append(got, p.Text()), append(want, text)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("string %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestPadAllocatesSeldom(t *testing.T) {
	var p Pad
	if n := testing.AllocsPerRun(1000, func() {
		p.Begin(20).WriteString("team/app")
		if p.Text() != "team/app" {
			t.Fatal(p.Text())
		}
	}); n != 0 {
		t.Errorf("%v allocations for each string", n)
	}
}
