package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestOverMax: who is one too many sees the end at once, also with a request under way, and
// there is room again when a client leaves.
func TestOverMax(t *testing.T) {
	const most, refused = 8, 50
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{max: most, tcp: network.tcp})
			peers := srv.connectMany(most)
			srv.until("all clients", func() bool { return srv.clients.Len() == most })
			var took []time.Duration
			for i := range refused {
				start := time.Now()
				p := srv.connect()
				if i%2 == 1 {
					_, _ = unix.Write(p.fd, []byte("hello")) // EPIPE if it is refused already
				}
				waitFor(t, "end of the refused", p.ended)
				took = append(took, time.Since(start))
				p.close()
			}
			if slices.Sort(took); took[refused/2] > 100*time.Millisecond {
				kit.TooSlow(t, "refused after %v (median), want within 100 ms", took[refused/2])
			}
			srv.do(func() {
				if srv.listener.Refused != refused || srv.clients.Len() != most {
					t.Errorf("got %d refused and %d clients, want %d and %d",
						srv.listener.Refused, srv.clients.Len(), refused, most)
				}
			})
			peers[0].close()
			srv.until("room", func() bool { return srv.clients.Len() < most })
			peers[0] = srv.connect()
			for _, p := range peers {
				p.send("hello")
				p.expect("hello")
			}
			closeAll(peers)
		})
	}
}

// TestD03PausesWhenFull: where the listener pauses, one too many is not closed but waits, costs
// nothing meanwhile, and is served once a client has left.
func TestD03PausesWhenFull(t *testing.T) {
	const most, waiting = 8, 50
	srv := serve(t, &script{}, limits{max: most})
	srv.do(func() { srv.listener.Pauses = true })
	peers := srv.connectMany(most)
	srv.until("all clients", func() bool { return srv.clients.Len() == most })
	var late []peer
	for range waiting {
		p := srv.connect()
		p.send("hello")
		late = append(late, p)
	}
	srv.turns()
	kit.MustIdle(t, kit.OwnCPU, 0.05)
	srv.do(func() {
		if srv.listener.Refused != 0 || srv.clients.Len() != most {
			t.Errorf("got %d refused and %d clients, want none and %d", srv.listener.Refused, srv.clients.Len(), most)
		}
	})
	for _, p := range late {
		if p.ended() {
			t.Fatal("got one closed that should wait")
		}
	}
	closeAll(peers)
	for _, p := range late {
		p.expect("hello")
		p.close()
	}
}

// TestFrontHears: a client's events go to the handler that its listener names.
func TestFrontHears(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	second := &script{}
	srv.do(func() {
		srv.clients.Serve(srv.clients.handlers[0], second.handle(t)(srv.clients))
		srv.listener.Front = 1
	})
	p := srv.connect()
	p.send("hello")
	p.expect("hello")
	p.close()
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
	srv.do(func() {
		if len(second.died) != 1 || len(srv.script.died) > 0 {
			t.Errorf("got %d clients told to the second handler and %d to the first, want 1 and 0", len(second.died), len(srv.script.died))
		}
	})
}

// TestStopServesTheBacklog: who connected before Stop is served, who comes later is refused
// by the kernel.
func TestStopServesTheBacklog(t *testing.T) {
	const count = 200 // more than are accepted in a turn
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{tcp: network.tcp})
			var peers []peer
			srv.do(func() {
				peers = srv.connectMany(count)
				for i, p := range peers {
					p.send(fmt.Sprint("waiting ", i))
				}
				srv.listener.Stop()
			})
			for i, p := range peers {
				p.expect(fmt.Sprint("waiting ", i))
			}
			srv.turns() // the number is closed at the end of the turn in which Stop was called
			if p, err := dial(t, srv.at); err != unix.ECONNREFUSED {
				t.Errorf("connect after Stop: got %v, want ECONNREFUSED", err)
				p.close()
			}
			closeAll(peers)
			srv.until("no client", func() bool { return srv.clients.Len() == 0 })
		})
	}
}

// TestStopOfASharedSocket stops listening on a socket that another process has as well, as
// with one that systemd passed. Who connects then waits for the other one, and does not
// keep this loop busy.
func TestStopOfASharedSocket(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	other, err := unix.FcntlInt(uintptr(srv.listener.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	early := srv.connect()
	early.send("hello")
	early.expect("hello")
	srv.do(srv.listener.Stop)
	late := srv.connect()
	kit.MustIdle(t, kit.OwnCPU, 0.02)
	early.send("hello")
	early.expect("hello")
	fd, _, err := unix.Accept4(other, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatalf("the other process: %v", err)
	}
	_ = unix.Close(fd)
	early.close()
	late.close()
}

// TestLeaveKeepsTheBacklog: who waits in the backlog of a shared socket is left to the
// process that has it next, with what it has sent.
func TestLeaveKeepsTheBacklog(t *testing.T) {
	const count = 100
	srv := serve(t, &script{}, limits{})
	next, err := unix.FcntlInt(uintptr(srv.listener.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(next)
	var peers []peer
	srv.do(func() {
		peers = srv.connectMany(count)
		for _, p := range peers {
			p.send("hello")
		}
		srv.listener.Leave()
		srv.listener.Leave()
	})
	srv.turns()
	srv.do(func() {
		if n := srv.clients.Len(); n != 0 {
			t.Errorf("got %d clients accepted, want all left in the backlog", n)
		}
	})
	for range count {
		fd, _, err := unix.Accept4(next, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatalf("the next process: %v", err)
		}
		var b [5]byte
		if n, err := unix.Read(fd, b[:]); string(b[:max(n, 0)]) != "hello" {
			t.Errorf("the next process read %q, %v, want what was sent", b[:max(n, 0)], err)
		}
		_ = unix.Close(fd)
	}
	closeAll(peers)
}

// TestStopTwice: the second Stop does not touch what the number has become.
func TestStopTwice(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	p := srv.connect()
	p.send("hello")
	p.expect("hello")
	var number int
	srv.do(func() {
		number = srv.listener.fd
		srv.listener.Stop()
		srv.listener.Stop()
	})
	srv.turns()
	spare, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, number)
	if err != nil || spare != number {
		t.Fatalf("got descriptor %d, %v, want %d to be free", spare, err, number)
	}
	srv.do(srv.listener.Stop)
	srv.turns()
	if err := unix.Close(spare); err != nil {
		t.Errorf("the descriptor that has the number now: %v, want it open", err)
	}
	p.close()
}

// TestBrokenListeningSocket shuts the listening socket down, which whoever shares it may
// do: no spin, and clients are served on.
func TestBrokenListeningSocket(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{tcp: network.tcp})
			p := srv.connect()
			p.send("hello")
			p.expect("hello")
			if err := unix.Shutdown(srv.listener.fd, unix.SHUT_RDWR); err != nil {
				t.Fatal(err)
			}
			kit.MustIdle(t, kit.OwnCPU, 0.05)
			p.send("hello")
			p.expect("hello")
			p.close()
		})
	}
}

// TestListenFails on what cannot be watched: no descriptor is lost.
func TestListenFails(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	fd, err := unix.Open(t.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Skipf("no nameless file to be had: %v", err)
	}
	srv.do(func() {
		before := len(kit.OwnDescriptors(t))
		if _, err := srv.Listen(fd, srv.clients, 1); err == nil {
			t.Error("listening on a plain file: got no error, want EPERM")
		}
		if after := len(kit.OwnDescriptors(t)); after != before {
			t.Errorf("got %d descriptors, want %d as before", after, before)
		}
	})
	_ = unix.Close(fd)
}

// TestGoneBeforeAccept has clients that connect and go before they are accepted.
func TestGoneBeforeAccept(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			s := &script{}
			opened := 0
			s.opened = func(int) { opened++ }
			srv := serve(t, s, limits{tcp: network.tcp})
			srv.do(func() {
				for _, p := range srv.connectMany(100) {
					if network.tcp {
						p.reset()
					} else {
						p.close()
					}
				}
			})
			p := srv.connect()
			p.send("hello")
			p.expect("hello")
			srv.until("one client", func() bool { return srv.clients.Len() == 1 })
			srv.do(func() {
				if opened < 1 || opened > 101 {
					t.Errorf("opened: got %d, want 1 to 101", opened)
				}
			})
			p.close()
		})
	}
}

// TestAnswersAreNotDelayed: a second small answer must not wait until the first has been
// acknowledged, which takes up to 40 ms.
func TestAnswersAreNotDelayed(t *testing.T) {
	s := &script{}
	delay := -1
	s.opened = func(c int) {
		var err error
		if delay, err = unix.GetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil {
			t.Error(err)
		}
	}
	srv := serve(t, s, limits{tcp: true})
	p := srv.connect()
	p.send("hello")
	p.expect("hello")
	srv.do(func() {
		if delay != 1 {
			t.Errorf("TCP_NODELAY of an accepted socket: got %d, want 1", delay)
		}
	})
	p.close()
}
