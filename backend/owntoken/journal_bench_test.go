package owntoken

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// fill makes a file of n tokens, a hundred of each of many users, with each of them used.
func fill(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for n > 0 {
		c := Change{At: now, By: "alice"}
		for range 1000 {
			n--
			user := fmt.Sprint("user", n/100)
			c.Add = append(c.Add, Added{hashOf(newSecret(Personal)), Token{
				ID: newID(), Kind: Personal, Name: fmt.Sprint("ci-", n%100), Created: now, Expires: now.Add(time.Hour), By: user,
				Owner:  Owner{Backend: "corp", User: user, Handle: "uid=" + user + ",ou=people,dc=corp,dc=example", Anchor: "entryUUID:" + newID()},
				Limits: Limits{Repositories: []string{"team/**"}, Actions: []string{"pull", "push"}},
			}})
		}
		for _, a := range c.Add { // a line each, as when they are made one by one
			if err := j.Change(t.Context(), Change{At: c.At, By: c.By, Add: []Added{a}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkOpenJournal prints how long a start with 100,000 tokens takes, and how much
// memory they need.
func BenchmarkOpenJournal(b *testing.B) {
	path := fill(b, 100_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var j *Journal
	for b.Loop() {
		if j != nil {
			j.Close()
		}
		var err error
		if j, err = OpenJournal(path); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
	j.Close()
}

// BenchmarkFind prints what it takes to find the token of a secret.
func BenchmarkFind(b *testing.B) {
	_, i := open(b, filepath.Join(b.TempDir(), "tokens.jsonl"))
	_, secret := create(b, i, "ci")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Find(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}
