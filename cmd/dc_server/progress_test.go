package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestProgress makes a line of figures after every so many operations, with what they were.
// Agents' probes are none.
func TestProgress(t *testing.T) {
	t.Parallel()
	process, at := start(t, "-progress", "10")
	client := kit.Dial(t, at)
	for n := range 5 {
		probe := kit.Have(1, codec.ProbeMark+strings.Repeat("r", codec.ProbeIDLen-len(codec.ProbeMark)))
		client.ExpectStatus(probe, codec.StatusNotOK)
		id := fmt.Sprint("session ", n)
		client.ExpectStatus(kit.Add(1, id, "data", time.Minute), codec.StatusOK)
		client.Answer(kit.Get(1, id))
		client.ExpectStatus(kit.Get(1, "nobody's"), codec.StatusNotOK)
		client.ExpectStatus(kit.Have(1, id), codec.StatusOK)
	}
	client.ExpectStatus(kit.Remove(1, "session 0"), codec.StatusOK) // the 21st
	process.WaitStderr(patience, " progress operations=20 ")
	if code := process.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	lines := regexp.MustCompile(`(?m) progress .*$`).FindAllString(process.Stderr(), -1)
	want := []string{
		" progress operations=10 sessions=3 add=3 get=5 remove=0 have=2 hits=3 misses=2 expired=0 evicted=0",
		" progress operations=20 sessions=5 add=5 get=10 remove=0 have=5 hits=5 misses=5 expired=0 evicted=0",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got lines\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestProgressOff is the default.
func TestProgressOff(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-progress", "0"}} {
		process, at := start(t, args...)
		client := kit.Dial(t, at)
		client.Send(slices.Repeat(kit.Have(1, "nobody's"), 1000))
		client.Expect(slices.Repeat(kit.Status(1, codec.OpHave, codec.StatusNotOK), 1000))
		if code := process.Stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
		if text := process.Stderr(); strings.Contains(text, "progress") {
			t.Errorf("%v: got %q, want no word of progress", args, text)
		}
	}
}
