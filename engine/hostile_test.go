package engine

import (
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestUrgentBytes has clients send bytes out of band: alone, amid others, to a server that
// does not read, and to one that waits to write. None of that makes the loop spin.
func TestUrgentBytes(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			f := newFeeding(30 << 10)
			paused := false
			f.buffer = func(int) []byte {
				if paused {
					return nil
				}
				return f.memory
			}
			f.received = func(c int, b []byte) {
				if b[0] == 'f' {
					f.feed(c)
					return
				}
				f.write(c, b)
			}
			srv := serve(t, f.script, limits{tcp: network.tcp})
			p := srv.connect()
			urgent := func() {
				if err := unix.Sendto(p.fd, []byte("!"), unix.MSG_OOB, nil); err != nil {
					t.Skipf("this kernel has no out-of-band bytes here: %v", err)
				}
			}
			defer p.close()
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
			p.send("ab")
			p.expect("ab")
			urgent()
			p.send("cd")
			p.expect("cd")
			kit.MustIdle(t, kit.OwnCPU, 0.05)

			srv.do(func() { paused = true })
			p.send("ef")
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
			srv.do(func() {
				paused = false
				for c := range f.open {
					srv.clients.Resume(c)
				}
			})
			p.expect("ef")

			p.send("f")
			srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
		})
	}
}

// TestPassedDescriptors has a client pass descriptors along with its bytes, thousands of
// them: none arrives here, and none is kept alive once its message is read or its sender
// is gone.
func TestPassedDescriptors(t *testing.T) {
	paused := false
	s := &script{}
	s.buffer = func(int) []byte {
		if paused {
			return nil
		}
		return s.memory
	}
	srv := serve(t, s, limits{})
	p := srv.connect()
	pass := func(fds ...int) {
		t.Helper()
		if err := unix.Sendmsg(p.fd, []byte("x"), unix.UnixRights(fds...), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]int, 200)
	r, w := pipe(t)
	for i := range many {
		many[i] = w
	}
	p.send("accepted?")
	p.expect("accepted?")
	before := len(kit.OwnDescriptors(t))
	for range 20 {
		pass(many...)
		p.expect("x")
	}
	if after := len(kit.OwnDescriptors(t)); after != before {
		t.Errorf("got %d descriptors after %d were passed, want %d as before", after, 20*len(many), before)
	}
	pass(w)
	_ = unix.Close(w)
	p.expect("x")
	expectPipeEnd(t, r)

	// One that waits to be read, from a client that leaves. It is the kernel's until then.
	r, w = pipe(t)
	srv.do(func() { paused = true })
	pass(w)
	_ = unix.Close(w)
	srv.turns()
	p.close()
	srv.do(func() {
		for c := range s.open {
			s.close(c)
		}
	})
	expectPipeEnd(t, r)
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

// TestSocketThatPassesItself has a client send the server its own end of the connection,
// so that it stays open when the client has gone: it still costs nothing.
func TestSocketThatPassesItself(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	p := srv.connect()
	if err := unix.Sendmsg(p.fd, []byte("x"), unix.UnixRights(p.fd), nil, 0); err != nil {
		t.Fatal(err)
	}
	p.expect("x")
	p.close()
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
	kit.MustIdle(t, kit.OwnCPU, 0.05)
}
