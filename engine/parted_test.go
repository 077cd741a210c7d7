package engine

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// partedScript answers everything with whole, in two parts.
func partedScript(whole string, at int) *script {
	s := &script{drained: func(int) {}}
	s.received = func(c int, _ []byte) {
		if _, err := s.clients.WriteParted(c, []byte(whole), at); err != nil {
			s.close(c)
		}
	}
	return s
}

// waiting waits until that many bytes are there for p to read.
func waiting(t *testing.T, p peer, want int) {
	t.Helper()
	kit.Wait(t, soon, "all of the answer", func() bool {
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
			open = len(kit.OwnDescriptors(t))
		}
	}
	if now := len(kit.OwnDescriptors(t)); now > open {
		t.Errorf("got %d descriptors, want the %d from before", now, open)
	}
	p.close()
}

// TestH24WhatIsReadBeforeTheBarrierIsNoFrameYet: a client that reads between the writes
// misses more of the frame than the 4 bytes that an old one takes for nothing. Over a
// SEQPACKET socket each read is one write.
func TestH24WhatIsReadBeforeTheBarrierIsNoFrameYet(t *testing.T) {
	const at, missedByOldClients = 2062, 4
	whole := pattern(4100)
	srv := serve(t, partedScript(whole, at), limits{})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := peer{t: t, fd: fds[0]}
	srv.do(func() {
		if err := unix.SetNonblock(fds[1], true); err != nil {
			t.Error(err)
		}
		if err := srv.clients.Adopt(fds[1]); err != nil {
			t.Error(err)
		}
	})
	p.send("x")
	open, end, rest := read(t, p, len(whole)), read(t, p, len(whole)), read(t, p, len(whole))
	if len(end) <= missedByOldClients || len(open)+len(end) != at || open+end+rest != whole {
		t.Errorf("got writes of %d, %d and %d bytes, want more than %d in the second, that ends at %d",
			len(open), len(end), len(rest), missedByOldClients, at)
	}
	p.close()
}

// TestPartedToAClientThatHasMoreToRead goes without a barrier: what is not read keeps a
// descriptor in the kernel, and a client may keep one.
func TestPartedToAClientThatHasMoreToRead(t *testing.T) {
	const at, answers = 2062, 10
	whole := pattern(4100)
	srv := serve(t, partedScript(whole, at), limits{})
	p := srv.connect()
	for n := range answers {
		p.send("x")
		waiting(t, p, (n+1)*len(whole))
	}
	all := strings.Repeat(whole, answers)
	if got := read(t, p, len(all)); got != whole[:at] {
		t.Errorf("the first read: got %d bytes, want %d, up to the barrier", len(got), at)
	}
	if got := read(t, p, len(all)); got != all[at:] {
		t.Errorf("the second: got %d bytes, want all the rest, %d", len(got), len(all)-at)
	}
	p.close()
}

// TestPartedClientsThatDoNotRead leave descriptors in their sockets. Past the kernel's bound
// of those, which each user has but root, answers go without a barrier.
func TestPartedClientsThatDoNotRead(t *testing.T) {
	const most, peers = 64, 70
	if os.Geteuid() != 0 {
		t.Skip("root alone can be a user who has none")
	}
	whole := pattern(4100)
	s := partedScript(whole, 2062)
	answer := s.received
	s.received = func(c int, b []byte) {
		defer asStranger(t)()
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
	for n, want := range map[int]int{0: 2062, most: 2062, peers - 1: len(whole)} {
		if got := read(t, clients[n], len(whole)); got != whole[:want] {
			t.Errorf("client %d: got %d bytes in the first read, want %d", n, len(got), want)
		}
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

// asStranger makes the calling thread that of a user whom nothing else belongs to, until the
// result is called.
func asStranger(t *testing.T) (again func()) {
	runtime.LockOSThread()
	become := func(uid int) {
		// Go's own Setresuid would be for all threads. Root stays what can be returned to.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), 0); errno != 0 {
			t.Errorf("user %d: %v", uid, errno)
		}
	}
	become(1<<30 + os.Getpid())
	return func() {
		become(0)
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
	left, came := make(chan struct{}), make(chan outcome, 1)
	s := &script{}
	s.received = func(c int, _ []byte) {
		<-left
		came <- outcomeOf(s.clients.WriteParted(c, []byte(pattern(4100)), 2062))
		s.close(c)
	}
	srv := serve(t, s, limits{})
	p := srv.connect()
	p.send("x")
	p.close()
	close(left)
	if got := <-came; got != failed {
		t.Errorf("got %v, want failed", got)
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
