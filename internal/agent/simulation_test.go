package agent

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// The simulation is thousands of histories: clients come, ask and leave, links fail,
// until at the end nobody is there and nothing is left. An agent lives through
// historiesPerLife of them, from its start to its stop; what happens in that life comes
// from one seed:
//
//	simclient_test.go   clients that ask in every way, read slowly, and leave: front.Sockets
//	simserver_test.go   a connection and a dc_server with faults: upstream.Transport
//	simworld_test.go    the clock, and what happens next
//	simrules_test.go    what must hold after each event, and at the end
//	simmemcached_test.go  the same of clients that speak memcached's protocols, in small
//	simcache_test.go      the same of a cache and other hosts that change sessions; with simcacherules_test.go
//	simservers_test.go    the same of three servers that fail and come back, in small; with simships_test.go and
//	                      simfleetrules_test.go
//
// Nothing in it waits. A life in which a rule is broken is played again with a log of its
// events; SEED=n HISTORIES=1 plays it alone.

// historiesPerLife is more than one for the sake of speed: making an agent takes longer
// than what happens to it.
const historiesPerLife = 5

// histories is how many are played: HISTORIES, or a number that takes seconds.
func histories(t *testing.T) int {
	t.Helper()
	switch {
	case os.Getenv("HISTORIES") != "":
		n, err := strconv.Atoi(os.Getenv("HISTORIES"))
		if err != nil || n < 0 {
			t.Fatalf("HISTORIES=%q: want a decimal number", os.Getenv("HISTORIES"))
		}
		return n
	case kit.RaceDetector, testing.Short():
		return 3_000
	case kit.Full():
		return 1_000_000
	}
	return 20_000
}

func TestSimulation(t *testing.T) {
	seed, n := kit.Seed(t), histories(t)
	// A life leaves half a megabyte to the collector, and nothing of it stays.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	began := time.Now()
	totals, bad := playAll(seed, (n+historiesPerLife-1)/historiesPerLife)
	took := time.Since(began)
	t.Logf("%d histories in %v, %.0f a second: %+v", totals.Histories, took.Round(time.Millisecond),
		float64(totals.Histories)/took.Seconds(), totals)
	if bad != nil {
		trace := &strings.Builder{}
		again := play(*bad, trace)
		t.Fatalf("%s\nto repeat: SEED=%d HISTORIES=1\n%s", again.broken, *bad, lastLines(trace.String(), 60))
	}
	if n >= 20_000 { // so many hold each of them
		totals.mustHaveSeenEverything(t)
	}
	t.Run("servers", func(t *testing.T) { simulateServers(t, seed, (n+9)/10) })
	t.Run("cache", func(t *testing.T) { simulateCache(t, seed, (n+199)/200) })
	t.Run("memcached", func(t *testing.T) { simulateMemcached(t, seed, (n+29)/30) })
}

// simulateMemcached plays n lives of an agent whose clients speak memcached's protocols.
func simulateMemcached(t *testing.T, seed uint64, n int) {
	answers, cached := 0, CacheCounters{}
	for i := range n {
		w := playMemcached(seed+uint64(i), nil)
		answers += w.replies
		if c := w.agent.cache; c != nil {
			cached.Hits += c.Counters.Hits
			cached.Gone += c.Counters.Gone
			cached.Again += c.Counters.Again
		}
		if w.broken != "" {
			trace := &strings.Builder{}
			again := playMemcached(seed+uint64(i), trace)
			t.Fatalf("%s\nto repeat: SEED=%d HISTORIES=1\n%s", again.broken, seed+uint64(i), lastLines(trace.String(), 80))
		}
	}
	t.Logf("%d lives, %d answers, %+v", n, answers, cached)
	if n >= 600 && cached.Hits == 0 {
		t.Errorf("got %+v, want some hits", cached)
	}
	if answers < n {
		t.Errorf("got %d answers in %d lives, want some in each", answers, n)
	}
}

// playAll plays n lives on all processors. It gives the seed of one in which a rule was
// broken, the smallest that was found, or nil.
func playAll(seed uint64, n int) (totals totals, bad *uint64) {
	var (
		next    atomic.Int64
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				w := play(seed+uint64(i), nil)
				mu.Lock()
				totals.add(&w.totals)
				if s := seed + uint64(i); w.broken != "" && (bad == nil || s < *bad) {
					bad = &s
					next.Store(int64(n))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return totals, bad
}

// play plays one life. A panic is a broken rule.
func play(seed uint64, trace *strings.Builder) (w *world) {
	w = newWorld(rand.New(rand.NewPCG(seed, 0)), trace)
	defer closeTestCache(w.config.Cache)
	defer func() {
		switch p := recover(); p.(type) {
		case nil, violation:
		default:
			w.broken = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	w.begin()
	for i := range historiesPerLife {
		w.live()
		w.end(i == historiesPerLife-1)
	}
	return w
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
