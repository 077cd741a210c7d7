package engine

import (
	"sync"
	"testing"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// passing is how a server treats descriptors that its clients pass. refuse is the kernel's way,
// the others are those of kernels before Linux 6.16 and of clients that came before Listen.
var passing = []struct {
	name   string
	refuse bool
}{{"the kernel refuses them", true}, {"the kernel lets them through", false}}

// letThrough makes srv's kernel one that cannot refuse descriptors.
func (srv *server) letThrough() {
	srv.t.Helper()
	srv.do(func() {
		srv.listener.refuses = false
		if err := unix.SetsockoptInt(srv.listener.fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1); err != nil && err != unix.ENOPROTOOPT {
			srv.t.Error(err)
		}
	})
}

// pass sends bytes with descriptors, in the ordinary way or out of band.
func (p peer) pass(text string, flags int, fds ...int) error {
	return unix.Sendmsg(p.fd, []byte(text), unix.UnixRights(fds...), nil, flags|unix.MSG_NOSIGNAL)
}

// connectPassing makes a client that passes its own descriptor and fds before it is accepted.
func (srv *server) connectPassing(fds ...int) (p peer) {
	srv.t.Helper()
	srv.do(func() {
		p = srv.connect()
		if err := p.pass("x", 0, append(fds, p.fd)...); err != nil {
			srv.t.Error(err)
		}
	})
	return p
}

// lingering gives a descriptor whose last close takes a minute, and what ends it earlier: a
// TCP socket with SO_LINGER and bytes that its peer does not take.
func lingering(t *testing.T) (fd int, release func()) {
	t.Helper()
	ln, at, err := listening(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := dial(t, at)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "connection", func() bool { return socket.Waiting(ln) })
	other, err := socket.Accept(ln, false)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(ln)
	if err := unix.SetsockoptLinger(p.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 60}); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	for err == nil {
		err = unix.Sendto(p.fd, chunk, unix.MSG_DONTWAIT, nil)
	}
	return p.fd, sync.OnceFunc(func() { peer{t, other}.reset() })
}

// TestF01PassedDescriptorsDoNotStopTheLoop has a client hand over a descriptor whose last close
// takes a minute, in every place where the server could be the one that closes it. Another
// client is answered all the while.
func TestF01PassedDescriptorsDoNotStopTheLoop(t *testing.T) {
	for _, way := range passing {
		for _, row := range []struct {
			name  string
			flags int
			first string // what goes before, which makes the server close or refuse the client
			max   int
			deny  bool // everybody who comes after the victim
		}{
			{"with what is read", 0, "", 0, false},
			{"out of band", unix.MSG_OOB, "", 0, false},
			{"behind what is read", 0, "close me", 0, false},
			{"out of band, behind what is read", unix.MSG_OOB, "close me", 0, false},
			{"by a client that is refused", 0, "", 1, false},
			{"by a client of another user", 0, "", 0, true},
		} {
			t.Run(way.name+", "+row.name, func(t *testing.T) {
				s := &script{}
				s.received = func(c int, b []byte) {
					if b[0] == 'c' {
						s.close(c)
						return
					}
					s.write(c, b)
				}
				srv := serve(t, s, limits{max: row.max})
				if !way.refuse {
					srv.letThrough()
				} else if !srv.listener.refuses {
					t.Skip("this kernel lets them through")
				}
				victim := srv.connect()
				victim.send("hello")
				victim.expect("hello")
				if row.deny {
					srv.do(func() { srv.listener.Access = &socket.Access{} })
				}

				fd, release := lingering(t)
				defer release()
				var attacker peer
				srv.do(func() { // so that both are there when the loop looks
					attacker = srv.connect()
					if row.first != "" {
						attacker.send(row.first)
					}
					got := attacker.pass("h", row.flags, fd)
					if got != nil {
						release() // the descriptor is this test's alone
					}
					_ = unix.Close(fd)
					if want := map[bool]error{true: unix.EPERM}[way.refuse]; got != want && got != unix.EOPNOTSUPP {
						t.Errorf("passing a descriptor: got %v, want %v", got, want)
					}
				})
				if !way.refuse {
					waitFor(t, "end of the attacker", attacker.ended)
				}
				for range 3 {
					victim.send("hello")
					victim.expect("hello")
				}
				victim.close()
				attacker.close()
			})
		}
	}
}

// TestPassedDescriptors: a client that passes descriptors is closed. None of them is kept alive after that, and none of
// the bytes that came with them.
func TestPassedDescriptors(t *testing.T) {
	s := &script{}
	srv := serve(t, s, limits{})
	srv.letThrough()
	r, w := pipe(t)
	p := srv.connectPassing(w, w, w)
	_ = unix.Close(w)
	waitFor(t, "end of the client", p.ended)
	expectPipeEnd(t, r)
	srv.until("no client", func() bool { return int(srv.clients.total.Load()) == 0 })
	srv.do(func() {
		if s.memory[0] != 0 {
			t.Errorf("got %q left in the buffer, want it wiped", s.memory[0])
		}
	})
	p.close()
}

// TestF01BacklogOfBefore: descriptors that were sent before Listen do not stop the loop, and
// clients of that time are served.
func TestF01BacklogOfBefore(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	fd, at, err := listening(&unix.SockaddrUnix{Name: srv.directory + "/early"})
	if err != nil {
		t.Fatal(err)
	}
	// As from systemd with PassCredentials=yes.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	dialed := func() peer {
		p, err := dial(t, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	early, attacker := dialed(), dialed()
	slow, release := lingering(t)
	defer release()
	if err := attacker.pass("hold", 0, slow); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(slow)
	early.send("early")
	var ln *Listener
	srv.do(func() {
		if ln, err = srv.Listen(fd, srv.clients, 100); err != nil {
			t.Error(err)
		}
	})
	early.expect("early")
	waitFor(t, "end of the attacker", attacker.ended)
	srv.until("end of the backlog", func() bool { return ln.tuned })
	late := dialed()
	late.send("late")
	late.expect("late")
	srv.do(func() {
		wary := 0
		for _, c := range srv.clients.table {
			if c != nil && c.wary {
				wary++
			}
		}
		if ln.refuses && wary != 1 {
			t.Errorf("got %d clients that are treated as if they could pass descriptors, want the early one alone", wary)
		}
		ln.Leave()
	})
	closeAll([]peer{early, attacker, late})
}

// TestF01LingerIsCleared: close of a TCP client does not wait for its peer, whatever the
// supervisor set on the listening socket, and whether the client came before Listen or after.
func TestF01LingerIsCleared(t *testing.T) {
	s := &script{}
	lingers := 0
	s.opened = func(c int) {
		linger, err := unix.GetsockoptInt(c, unix.SOL_SOCKET, unix.SO_LINGER)
		if linger != 0 || err != nil {
			lingers++
		}
	}
	srv := serve(t, s, limits{tcp: true})
	fd, at, err := listening(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 60}); err != nil {
		t.Fatal(err)
	}
	var peers []peer
	come := func() {
		p, err := dial(t, at)
		if err != nil {
			t.Fatal(err)
		}
		p.send("hello")
		peers = append(peers, p)
	}
	come()
	var ln *Listener
	srv.do(func() {
		if ln, err = srv.Listen(fd, srv.clients, 100); err != nil {
			t.Error(err)
		}
	})
	peers[0].expect("hello")
	come()
	peers[1].expect("hello")
	srv.do(func() {
		if lingers > 0 {
			t.Errorf("got %d of 2 clients with SO_LINGER, want none", lingers)
		}
		ln.Leave()
	})
	closeAll(peers)
}

// TestSocketThatPassesItself has a client send the server its own end of the connection,
// so that it stays open when the client has gone: it still costs nothing.
func TestSocketThatPassesItself(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	srv.letThrough()
	p := srv.connectPassing()
	waitFor(t, "end of the client", p.ended)
	p.close()
	srv.until("no client", func() bool { return int(srv.clients.total.Load()) == 0 })
}

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// expectPipeEnd waits until no writing end is left, then closes r.
func expectPipeEnd(t *testing.T, r int) {
	t.Helper()
	waitFor(t, "end of the pipe: somebody keeps the descriptor that was passed", func() bool {
		n, err := unix.Read(r, make([]byte, 1))
		return n == 0 && err == nil
	})
	_ = unix.Close(r)
}
