package engine

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/testkit"
)

// partedScript answers everything with whole, in two parts.
func partedScript(whole string, at int) *script {
	s := &script{drained: func(int) {}}
	s.received = func(c int, _ []byte) {
		if s.clients.WriteParted(c, []byte(whole), at) == Failed {
			s.close(c)
		}
	}
	return s
}

// waiting waits until that many bytes are there for p to read.
func waiting(t *testing.T, p peer, want int) {
	t.Helper()
	testkit.Wait(t, soon, "all of the answer", func() bool {
		n, err := unix.IoctlGetInt(p.fd, unix.SIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		return n == want
	})
}

// read reads once.
func read(t *testing.T, p peer, size int) string {
	t.Helper()
	b := make([]byte, size)
	n, err := unix.Read(p.fd, b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// TestH24NoReadTakesBothParts though all of both is there: whatever the size of the reads
// before it, one ends where the first part does. Descriptors do not become more by it.
func TestH24NoReadTakesBothParts(t *testing.T) {
	const at = 2062
	whole := pattern(4100)
	srv := serve(t, partedScript(whole, at), limits{})
	p := srv.connect()
	open := 0
	for size := at - 2*barred; size <= len(whole); size++ {
		if size > at-barred && size < at {
			continue // would cut what goes behind the barrier
		}
		p.send("x")
		waiting(t, p, len(whole))
		got := ""
		for len(got) < at {
			got += read(t, p, size)
		}
		if got != whole[:at] {
			t.Fatalf("reads of %d bytes: got %d bytes, want the first part, which is %d", size, len(got), at)
		}
		p.expect(whole[at:])
		if size == at {
			open = len(testkit.OwnDescriptors(t))
		}
	}
	if now := len(testkit.OwnDescriptors(t)); now > open {
		t.Errorf("got %d descriptors, want the %d from before", now, open)
	}
	p.close()
}

// TestH24WhatIsReadBeforeTheBarrierIsNoFrameYet: a client that reads between the two writes
// of the first part misses more of the frame than it takes for nothing.
func TestH24WhatIsReadBeforeTheBarrierIsNoFrameYet(t *testing.T) {
	const missedByOldClients = 4
	if barred <= missedByOldClients {
		t.Errorf("got %d bytes behind the barrier, want more than %d", barred, missedByOldClients)
	}
}

// TestPartedClientsThatDoNotRead leave descriptors in their sockets. Past the kernel's bound
// of those, which root has not, answers go without a barrier.
func TestPartedClientsThatDoNotRead(t *testing.T) {
	const most, peers = 64, 70
	whole := pattern(4100)
	s := partedScript(whole, 2062)
	answer := s.received
	s.received = func(c int, b []byte) {
		defer asNobodySpecial(t)()
		answer(c, b)
	}
	srv := serve(t, s, limits{})
	clients := srv.connectMany(peers)
	srv.until("clients", func() bool { return srv.clients.Len() == peers })
	lowerNofile(t, most)
	for _, p := range clients {
		p.send("x")
		waiting(t, p, len(whole))
	}
	if got := read(t, clients[0], len(whole)); got != whole[:2062] {
		t.Errorf("the first: got %d bytes, want a barrier behind 2062", len(got))
	}
	if got := read(t, clients[peers-1], len(whole)); got != whole {
		t.Errorf("the last: got %d bytes, want no barrier any more", len(got))
	}
	for _, p := range clients {
		p.close()
	}
}

// lowerNofile bounds the process's descriptors for the time of the test.
func lowerNofile(t *testing.T, most uint64) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	low := unix.Rlimit{Cur: most, Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
}

// asNobodySpecial takes the capabilities from the calling thread until the result is called.
func asNobodySpecial(t *testing.T) (again func()) {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had, fewer [2]unix.CapUserData
	set := func(data *[2]unix.CapUserData) {
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Error(err)
		}
	}
	if err := unix.Capget(&header, &had[0]); err != nil {
		t.Error(err)
	}
	fewer = had
	fewer[0].Effective, fewer[1].Effective = 0, 0
	set(&fewer)
	return func() {
		set(&had)
		runtime.UnlockOSThread()
	}
}

// TestPartedBehindAFullSocket has no room for the first part: nothing is lost.
func TestPartedBehindAFullSocket(t *testing.T) {
	for _, length := range []int{4100, 30 << 10} {
		t.Run(strconv.Itoa(length), func(t *testing.T) {
			whole, drained := pattern(length), 0
			s := partedScript(whole, length-2000)
			s.drained = func(int) { drained++ }
			s.opened = func(c int) {
				if err := unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
					t.Error(err)
				}
			}
			srv := serve(t, s, limits{})
			p := srv.connect()
			p.send("x")
			srv.until("part held", func() bool { return srv.pool.Lent() > 0 })
			p.expect(whole)
			srv.until("drained client", func() bool { return drained == 1 })
			p.close()
		})
	}
}

// TestPartedToAClientThatLeft fails as Write does.
func TestPartedToAClientThatLeft(t *testing.T) {
	failed := make(chan Outcome, 1)
	s := &script{}
	s.received = func(c int, _ []byte) {
		time.Sleep(10 * time.Millisecond) // the peer leaves meanwhile
		outcome := s.clients.WriteParted(c, []byte(pattern(4100)), 2062)
		s.close(c)
		failed <- outcome
	}
	srv := serve(t, s, limits{})
	p := srv.connect()
	p.send("x")
	p.close()
	if got := <-failed; got != Failed {
		t.Errorf("got %v, want Failed", got)
	}
}

// TestPartedOverTCPIsWrite: there is no barrier there.
func TestPartedOverTCPIsWrite(t *testing.T) {
	whole := pattern(4100)
	srv := serve(t, partedScript(whole, 2062), limits{tcp: true})
	p := srv.connect()
	p.send("x")
	p.expect(whole)
	p.close()
}
