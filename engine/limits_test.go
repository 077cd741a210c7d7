package engine

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestOutOfDescriptors has more clients than a server has descriptors for. Those that it has
// are served, accepting rests rather than spins, the others see an end now and then, and
// once descriptors are free those that wait are served.
func TestOutOfDescriptors(t *testing.T) {
	const nofile, many = 40, 200
	child := start(t, "server", fmt.Sprint(nofileEnv, "=", nofile))
	at := &unix.SockaddrUnix{Name: child.line()}
	begin := time.Now()
	waiting := map[int]peer{}
	for i := range many {
		p, err := dial(t, at)
		if err != nil {
			t.Fatal(err)
		}
		p.send("hello")
		waiting[i] = p
	}
	var served []peer
	refused := 0
	look := func() {
		for i, p := range waiting {
			b := make([]byte, 8)
			n, _, err := unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT)
			switch {
			case n > 0:
				served = append(served, p)
				delete(waiting, i)
			case err != unix.EAGAIN && err != unix.EINTR:
				refused++
				p.close()
				delete(waiting, i)
			}
		}
	}
	waitFor(t, "15 clients served and one refused", func() bool { look(); return len(served) >= 15 && refused >= 1 })
	if len(served) >= nofile || len(waiting) < many/2 {
		t.Fatalf("got %d clients served, %d refused and %d waiting, want fewer served than %d and most waiting",
			len(served), refused, len(waiting), nofile)
	}
	kit.MustIdle(t, func(testing.TB) time.Duration { return time.Duration(child.ask("cpu")) }, 0.05)
	var slowest time.Duration
	for _, p := range served {
		asked := time.Now()
		p.send("still here?")
		p.expect("still here?")
		slowest = max(slowest, time.Since(asked))
	}
	if slowest > time.Second {
		kit.TooSlow(t, "a client that is served had to wait %v for an answer, want under 1 s", slowest)
	}

	look()
	const leaving = 10
	had := len(served)
	freed := time.Now()
	for _, p := range served[:leaving] {
		p.close()
	}
	waitFor(t, "service for those that waited", func() bool { look(); return len(served) >= had+leaving-1 })
	if took := time.Since(freed); took > 300*time.Millisecond {
		kit.TooSlow(t, "those that waited were served %v after descriptors were free, want within 300 ms", took)
	}
	if got := child.ask("refused"); got < int64(refused) {
		t.Errorf("the server counts %d refused, want at least the %d that saw it", got, refused)
	}
	closeAll(served[leaving:])
	for _, p := range waiting {
		p.close()
	}
	took := time.Since(begin)
	waitFor(t, "server with no client", func() bool { return child.ask("clients") == 0 })
	child.end()
	warnings := strings.Count(child.log.String(), "accepting paused")
	if most := int(took/warnPause) + 2; warnings < 1 || warnings > most {
		t.Errorf("got %d warnings in %v, want 1 to %d:\n%s", warnings, took, most, child.log.String())
	}
}

// TestNewLoopWithoutDescriptors: an error, and nothing is left behind.
func TestNewLoopWithoutDescriptors(t *testing.T) {
	start(t, "few descriptors").end()
}

// TestTenThousandIdle has 10,000 clients that say nothing while 500 others come, ask and
// go, all at the same time.
func TestTenThousandIdle(t *testing.T) {
	const wantIdleClients, active, rounds = 10_000, 500, 10
	idle := wantIdleClients
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// Go has raised the soft limit already. Here there is one descriptor for each idle
	// client, whose other end is in another process, and two for each active one.
	if most := int(limit.Max) - 2*active - 200; idle > most {
		idle = most
		t.Logf("the limit is %d descriptors: %d idle clients, not %d", limit.Max, idle, wantIdleClients)
	}
	srv := serve(t, &script{}, limits{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	crowd := start(t, "crowd", pathEnv+"="+srv.at.(*unix.SockaddrUnix).Name, fmt.Sprint(countEnv, "=", idle))
	if got := crowd.line(); got != "connected" {
		t.Fatalf("got %q, want the crowd connected", got)
	}
	srv.until("all idle clients", func() bool { return srv.clients.Len() == idle })
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(idle)
	if t.Logf("%d bytes of the heap for each of %d idle clients", each, idle); each > 512 {
		t.Errorf("an idle client takes %d bytes of the heap, want 512 at most", each)
	}
	srv.do(func() {
		if lent := srv.pool.Lent(); lent != 0 {
			t.Errorf("idle clients hold %d bytes of the pool, want none", lent)
		}
	})
	askAtOnce(srv, active, rounds)
	srv.until("the idle clients alone", func() bool { return srv.clients.Len() == idle })
	crowd.end()
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
}

// askAtOnce has count clients at a time, each of which comes, asks and goes, rounds times;
// half of their number asks more than once. Each must get its own answer.
func askAtOnce(srv *server, count, rounds int) {
	const threads = 10
	var all sync.WaitGroup
	for thread := range threads {
		all.Go(func() {
			peers := make([]peer, count/threads)
			for round := range rounds {
				for i := range peers {
					p, err := dial(srv.t, srv.at)
					if err != nil {
						srv.t.Errorf("connect: %v", err)
						return
					}
					peers[i] = p
				}
				for question := range 1 + round%2 {
					if !askEach(srv.t, peers, fmt.Sprint(thread, " ", round, " ", question)) {
						return
					}
				}
				closeAll(peers)
			}
		})
	}
	all.Wait()
}

// askEach has each ask before the first of them reads.
func askEach(t testing.TB, peers []peer, text string) bool {
	for i, p := range peers {
		if _, err := unix.Write(p.fd, fmt.Appendf(nil, "%s %d", text, i)); err != nil {
			t.Errorf("client %s %d: write: %v", text, i, err)
			return false
		}
	}
	for i, p := range peers {
		if got, err := p.read(64); got != fmt.Sprintf("%s %d", text, i) {
			t.Errorf("client %s %d: got %q, %v, want its own text", text, i, got, err)
			return false
		}
	}
	return true
}
