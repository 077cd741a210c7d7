package engine

import (
	"testing"
	"time"

	"distcache/internal/testkit"

	"golang.org/x/sys/unix"
)

// waiting gives how many bytes are there for p to read.
func waiting(t *testing.T, p peer) int {
	t.Helper()
	n, err := unix.IoctlGetInt(p.fd, unix.SIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// partedScript answers everything with whole, in two parts.
func partedScript(whole string, at int, drained *int) *script {
	s := &script{drained: func(int) { *drained++ }}
	s.received = func(c int, _ []byte) {
		if s.clients.WriteParted(c, []byte(whole), at) == Failed {
			s.close(c)
		}
	}
	return s
}

// TestH24TheSecondPartFollowsOnceTheFirstWasRead, and not before; then nothing is lent.
func TestH24TheSecondPartFollowsOnceTheFirstWasRead(t *testing.T) {
	whole, drained := pattern(4100), 0
	srv := serve(t, partedScript(whole, 2062, &drained), limits{})
	p := srv.connect()
	for round := range 20 {
		p.send("x")
		srv.until("part held", func() bool { return srv.pool.Lent() > 0 })
		if got := waiting(t, p); got != 2062 {
			t.Fatalf("got %d bytes to read, want the first part", got)
		}
		p.expect(whole[:2062])
		p.expect(whole[2062:])
		srv.until("drained client", func() bool { return drained == round+1 })
		srv.do(func() {
			if lent := srv.pool.Lent(); lent != 0 || srv.clients.parted.waiting != 0 {
				t.Errorf("got %d bytes lent, %d waiting, want none", lent, srv.clients.parted.waiting)
			}
		})
	}
	p.close()
}

// TestH24TheSecondPartWaitsNoLongerThanItsBound for a client that does not read, at next
// to no cost, and then goes out all the same.
func TestH24TheSecondPartWaitsNoLongerThanItsBound(t *testing.T) {
	whole, drained := pattern(4100), 0
	srv := serve(t, partedScript(whole, 2062, &drained), limits{})
	p := srv.connect()
	bound := time.Duration(0)
	for _, wait := range looks {
		bound += wait
	}
	began := time.Now()
	p.send("x")
	srv.until("part held", func() bool { return srv.pool.Lent() > 0 })
	testkit.MustIdle(t, testkit.OwnCPU, 0.05)
	srv.until("drained client", func() bool { return drained == 1 })
	if took := time.Since(began); took < bound-50*time.Millisecond || took > bound+soon {
		t.Errorf("got the second part after %v, want about %v", took, bound)
	}
	p.expect(whole)
	p.close()
}

// TestPartedClientsThatLeave are forgotten, and their numbers used again.
func TestPartedClientsThatLeave(t *testing.T) {
	whole, drained := pattern(4100), 0
	s := partedScript(whole, 2062, &drained)
	s.failed = func(c int, _ error) { s.close(c) }
	srv := serve(t, s, limits{})
	for range 50 {
		p := srv.connect()
		p.send("x")
		srv.until("part held", func() bool { return srv.pool.Lent() > 0 })
		p.close()
		srv.until("no client", func() bool { return srv.clients.Len() == 0 })
		srv.do(func() {
			if lent := srv.pool.Lent(); lent != 0 || srv.clients.parted.waiting != 0 {
				t.Errorf("got %d bytes lent, %d waiting, want none", lent, srv.clients.parted.waiting)
			}
		})
	}
}

// TestPartedBehindAFullSocket has no room for the first part: nothing is lost, and the
// second still waits for its reader.
func TestPartedBehindAFullSocket(t *testing.T) {
	whole, drained := pattern(30<<10), 0
	s := partedScript(whole, 25<<10, &drained)
	s.opened = func(c int) {
		if err := unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
			t.Error(err)
		}
	}
	srv := serve(t, s, limits{})
	p := srv.connect()
	p.send("x")
	srv.until("part held", func() bool { return srv.pool.Lent() > 0 })
	p.expect(whole[:25<<10])
	p.expect(whole[25<<10:])
	srv.until("drained client", func() bool { return drained == 1 })
	if srv.clients.parted == nil {
		t.Error("got the second part without a wait, want one")
	}
	p.close()
}

// TestPartedOverTCPIsWrite: there it cannot be seen what was read.
func TestPartedOverTCPIsWrite(t *testing.T) {
	whole, drained := pattern(4100), 0
	srv := serve(t, partedScript(whole, 2062, &drained), limits{tcp: true})
	p := srv.connect()
	p.send("x")
	p.expect(whole)
	srv.do(func() {
		if srv.clients.parted != nil || drained != 0 {
			t.Error("got a wait, want none")
		}
	})
	p.close()
}
