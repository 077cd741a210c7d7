package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestSessionsEvictsSoonestToExpire fills the cache and adds more: each new session costs
// one old one, and that the one which would expire soonest.
func TestSessionsEvictsSoonestToExpire(t *testing.T) {
	t.Parallel()
	const capacity, more = 64, 10
	process, at := start(t, "-sessions", strconv.Itoa(capacity))
	client := kit.Dial(t, at)
	random := kit.Random(t)
	order := random.Perm(capacity)
	life := func(n int) time.Duration { return time.Hour + time.Duration(n)*time.Minute }
	for _, n := range order {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("old ", n), "data", life(n)), codec.StatusOK)
	}
	for n := range capacity {
		client.ExpectStatus(kit.Have(1, fmt.Sprint("old ", n)), codec.StatusOK)
	}
	for added := range more {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("new ", added), "data", 24*time.Hour), codec.StatusOK)
		for n := range capacity {
			want := codec.StatusOK
			if n <= added {
				want = codec.StatusNotOK
			}
			client.ExpectStatus(kit.Have(1, fmt.Sprint("old ", n)), want)
		}
	}
	for added := range more {
		client.ExpectStatus(kit.Have(1, fmt.Sprint("new ", added)), codec.StatusOK)
	}
	process.WaitStderr(patience, "-sessions is too small")
	if lines := strings.Count(process.Stderr(), "-sessions is too small"); lines > 20 {
		t.Errorf("got %d lines about %d evictions, want one a second at most", lines, more)
	}
}

// TestSessionsExpiredMakeRoom: what has expired goes before what has not.
func TestSessionsExpiredMakeRoom(t *testing.T) {
	t.Parallel()
	const capacity = 64
	process, at := start(t, "-sessions", strconv.Itoa(capacity))
	client := kit.Dial(t, at)
	for n := range capacity {
		life := time.Hour
		if n%2 == 0 {
			life = time.Millisecond
		}
		client.ExpectStatus(kit.Add(1, fmt.Sprint("old ", n), "data", life), codec.StatusOK)
	}
	kit.Wait(t, patience, "end of the last of them", func() bool {
		return client.Answer(kit.Have(1, fmt.Sprint("old ", capacity-2)))[0] == byte(codec.StatusNotOK)
	})
	for n := range capacity / 2 {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("new ", n), "data", time.Minute), codec.StatusOK)
	}
	for n := 1; n < capacity; n += 2 {
		client.ExpectStatus(kit.Have(1, fmt.Sprint("old ", n)), codec.StatusOK)
	}
	if text := process.Stderr(); strings.Contains(text, "evicted") {
		t.Errorf("got %q, want no word of evictions", text)
	}
}

// TestSessionsTimeoutZero: what expires at once costs nobody its place.
func TestSessionsTimeoutZero(t *testing.T) {
	t.Parallel()
	_, at := start(t, "-sessions", "64")
	client := kit.Dial(t, at)
	for n := range 64 {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("old ", n), "data", time.Hour), codec.StatusOK)
	}
	client.ExpectStatus(kit.Add(1, "at once", "data", 0), codec.StatusOK)
	client.ExpectStatus(kit.Have(1, "at once"), codec.StatusNotOK)
	for n := range 64 {
		client.ExpectStatus(kit.Have(1, fmt.Sprint("old ", n)), codec.StatusOK)
	}
}

// TestMemoryBound: the bound that is printed at the start grows with -sessions, and the
// process, full of the largest sessions, stays below it.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can look how much memory dc_server takes")
	}
	small, at := start(t, "-sessions", "500")
	large, _ := start(t, "-sessions", "100000")
	smallBound, largeBound := memoryBound(t, small), memoryBound(t, large)
	if largeBound <= smallBound {
		t.Errorf("got bounds of %d and %d MB, want the second to be larger", smallBound>>20, largeBound>>20)
	}
	client := kit.Dial(t, at)
	data := strings.Repeat("x", 32000)
	for n := range 650 {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("session ", n), data, time.Hour), codec.StatusOK)
	}
	vitals, err := kit.ReadVitals(small.PID())
	if err != nil {
		t.Fatal(err)
	}
	const held = 450 * 32000 // what 500 such sessions take, or nearly
	if vitals.RSS > smallBound || vitals.RSS < held {
		t.Errorf("got %d MB resident, want %d to %d", vitals.RSS>>20, held>>20, smallBound>>20)
	}
}

// TestF14MostSessions: the greatest -sessions has an index that the program can address, and one more is refused with the
// limit. It holds for 32-bit programs too: GOARCH=386 go test -run F14 ./cmd/dc_server.
func TestF14MostSessions(t *testing.T) {
	var c config
	s := c.flags()
	if err := s.Parse([]string{"-sessions", strconv.Itoa(maxSessions)}); err != nil {
		t.Fatal(err)
	}
	const indexBytes = 25 // of a session, docs/dc_server.md
	if bound := c.memoryStore().Bound(); bound < maxSessions*indexBytes || maxSessions*indexBytes > math.MaxInt {
		t.Errorf("got a bound of %d bytes for %d sessions, want %d at least, and an index below %d", bound, maxSessions, maxSessions*indexBytes, math.MaxInt)
	}
	one := strconv.FormatInt(maxSessions+1, 10)
	want := fmt.Sprintf("-sessions: %q is not a whole number from 64 to %d", one, maxSessions)
	if err := c.flags().Parse([]string{"-sessions", one}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// memoryBound is what the ready line says, in bytes.
func memoryBound(t *testing.T, process *kit.Process) int64 {
	t.Helper()
	found := regexp.MustCompile(` memory_bound_mib=(\d+)`).FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the bound", process.Stderr())
	}
	mib, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mib << 20
}

// TestSessionsTooMany asks for more than an address space has room for.
func TestSessionsTooMany(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	process := kit.Command{Path: "/bin/sh", Args: []string{"-c", `ulimit -v 4000000; exec "$0" "$@"`, kit.Tool(program),
		"-sessions", "1073741824", "-listen", at.String()}}.Start(t)
	if code := process.Exit(patience); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	if text := process.Stderr(); !strings.Contains(text, "-sessions 1073741824") {
		t.Errorf("got %q, want it to name -sessions 1073741824", text)
	}
}
