package engine

import (
	"strings"
	"testing"

	"distcache/engine/buffer"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// feeding is a script that writes to whoever says anything until the socket takes no more.
type feeding struct {
	*script
	piece   []byte
	written int // bytes that went to the client or are held for it
	drained int
}

func newFeeding(piece int) *feeding {
	f := &feeding{script: &script{}, piece: []byte(pattern(piece))}
	f.received = func(c int, _ []byte) { f.feed(c) }
	f.script.drained = func(int) { f.drained++ }
	return f
}

func (f *feeding) feed(c int) {
	for range 1000 {
		switch outcomeOf(f.clients.Write(c, f.piece)) {
		case sent:
			f.written += len(f.piece)
		case held:
			f.written += len(f.piece)
			return
		case failed, noMemory:
			f.close(c)
			return
		}
	}
	f.t.Errorf("a socket took %d bytes", f.written)
}

// expectPieces reads n bytes of the piece, over and over.
func (f *feeding) expectPieces(p peer, n int) {
	p.t.Helper()
	for ; n >= len(f.piece); n -= len(f.piece) {
		p.expect(string(f.piece))
	}
	p.expect(string(f.piece[:n]))
}

// TestHeldThenDrained: what a socket does not take is held, at no cost, and goes out in
// order as the client reads; then nothing is lent any more and the next write goes straight.
func TestHeldThenDrained(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			f := newFeeding(30 << 10)
			srv := serve(t, f.script, limits{tcp: network.tcp})
			p := srv.connect()
			p.send("x")
			srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			kit.MustIdle(t, kit.OwnCPU, 0.02)
			for round := 1; round <= 3; round++ {
				written := 0
				srv.do(func() { written, f.written = f.written, 0 })
				f.expectPieces(p, written)
				srv.until("drained client", func() bool { return f.drained == round })
				srv.do(func() {
					if lent := srv.pool.Lent(); lent != 0 {
						t.Errorf("drained: got %d bytes lent, want 0", lent)
					}
				})
				if round == 1 {
					kit.MustIdle(t, kit.OwnCPU, 0.02)
				}
				p.send("x")
				srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			}
			p.close()
			srv.until("no client", func() bool { return srv.clients.Len() == 0 })
		})
	}
}

// TestH10UnreadBecomesLess as the client reads, long before there is room for more.
func TestH10UnreadBecomesLess(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			f := newFeeding(30 << 10)
			srv := serve(t, f.script, limits{tcp: network.tcp})
			p := srv.connect()
			p.send("x")
			srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			before := f.unread(srv)
			if before < f.written/2 {
				t.Fatalf("got %d bytes unread of %d, want most", before, f.written)
			}
			part := f.written / 4
			f.expectPieces(p, part)
			srv.until("fewer bytes unread", func() bool { return f.only(srv) <= before-part/2 })
			p.close()
			srv.until("no client", func() bool { return srv.clients.Len() == 0 })
		})
	}
}

// only is what the one client has not read; on the loop goroutine.
func (f *feeding) only(srv *server) int {
	for c := range f.open {
		return srv.clients.Unread(c)
	}
	return 0
}

func (f *feeding) unread(srv *server) (n int) {
	srv.do(func() { n = f.only(srv) })
	return n
}

// TestWritesWhileHeld queues more behind what is held, in buffers that grow, even when the
// client has just made room in its socket.
func TestWritesWhileHeld(t *testing.T) {
	f := newFeeding(1000)
	srv := serve(t, f.script, limits{})
	p := srv.connect()
	p.send("x")
	srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
	got := ""
	srv.do(func() {
		for c := range f.open {
			taken := f.written - len(srv.clients.table[c].held)
			for len(got) < taken && !t.Failed() {
				more, err := p.read(taken - len(got))
				if got += more; more == "" {
					t.Errorf("got the end (%v), want %d bytes of %d more", err, taken-len(got), taken)
				}
			}
			for range 100 {
				if got := outcomeOf(srv.clients.Write(c, f.piece)); got != held {
					t.Errorf("behind held bytes: got %v, want held", got)
				}
				f.written += len(f.piece)
			}
		}
	})
	whole := strings.Repeat(string(f.piece), f.written/len(f.piece))
	p.expect(whole[len(got):])
	if got != whole[:len(got)] {
		t.Errorf("before the rest: got %s, want %s", brief(got), brief(whole))
	}
	srv.until("drained client", func() bool { return f.drained == 1 })
	p.close()
}

// TestSentBytesMakeRoom has a client that reads just a little of what is held for it: the
// room of that is there for more.
func TestSentBytesMakeRoom(t *testing.T) {
	f := newFeeding(100 << 10)
	f.opened = func(c int) { // so that what is held goes out in small pieces
		if err := unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
			t.Error(err)
		}
	}
	srv := serve(t, f.script, limits{})
	p := srv.connect()
	p.send("x")
	srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
	var c *client
	srv.do(func() {
		for fd := range f.open {
			c = srv.clients.table[fd]
		}
	})
	read := 0
	srv.until("half of it sent", func() bool {
		if c.sent < 60<<10 {
			got, err := p.read(4 << 10)
			if err != nil || got != string(f.piece[read:read+len(got)]) {
				t.Errorf("got %s, %v", brief(got), err)
			}
			read += len(got)
		}
		return c.sent >= 60<<10
	})
	srv.do(func() {
		if got := outcomeOf(srv.clients.Write(c.fd, f.piece[:60<<10])); got != held {
			t.Errorf("got %v with %d of %d bytes sent, want held", got, c.sent, len(c.held))
		}
	})
	p.expect(string(f.piece[read:]) + string(f.piece[:60<<10]))
	p.close()
}

// TestNothingMoreCanBeHeld: a Write fails when the rest is over what one client may have, or
// the pool is used up. Whatever was held is given back, and others are served on.
func TestNothingMoreCanBeHeld(t *testing.T) {
	rows := []struct {
		name         string
		first, more  int // bytes written once the socket is full
		pool         int
		firstOutcome outcome
	}{
		{"at once over the largest buffer", buffer.Largest + 1, 1, 16 << 20, noMemory},
		{"at once over the pool", 5 << 10, 1, 4 << 10, noMemory},
		{"in the end over the largest buffer", 30 << 10, buffer.Largest - 30<<10 + 1, 16 << 20, held},
		{"in the end over the pool", 3 << 10, 2 << 10, 36 << 10, held},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := &script{}
			full := []byte(pattern(1 << 10))
			s.received = func(c int, b []byte) {
				if string(b) != "fill" {
					s.write(c, b)
					return
				}
				for socketTakes(t, c, full) {
				}
				got := s.write(c, make([]byte, row.first))
				if got != row.firstOutcome {
					t.Errorf("first write: got %v, want %v", got, row.firstOutcome)
				}
				if got == held {
					if got := s.write(c, make([]byte, row.more)); got != noMemory {
						t.Errorf("write of more: got %v, want no memory", got)
					}
				}
			}
			srv := serve(t, s, limits{pool: row.pool})
			for range 20 { // what is lost of the pool each time adds up
				p := srv.connect()
				p.send("fill")
				srv.until("no client", func() bool { return len(s.died) > 0 && srv.clients.Len() == 0 })
				srv.do(func() {
					clear(s.died)
					if lent := srv.pool.Lent(); lent != 0 {
						t.Errorf("got %d bytes lent, want 0", lent)
					}
				})
				p.close()
			}
			p := srv.connect()
			p.send("hello")
			p.expect("hello")
			p.close()
		})
	}
}

// socketTakes writes b to descriptor c behind the back of Clients.
func socketTakes(t testing.TB, c int, b []byte) bool {
	n, err := unix.Write(c, b)
	if err != nil && err != unix.EAGAIN {
		t.Errorf("filling the socket: %v", err)
	}
	return n > 0
}

// TestNeverReading has 50 clients that never read share a small pool with 50 that do. Only
// those that never read can be ended for it, and the others are served.
func TestNeverReading(t *testing.T) {
	f := newFeeding(30 << 10)
	feed := f.received
	f.received = func(c int, b []byte) {
		if string(b) == "feed" {
			feed(c, b)
			return
		}
		f.write(c, b)
	}
	srv := serve(t, f.script, limits{pool: 10 * (33 << 10)})
	lazy, good := srv.connectMany(50), srv.connectMany(50)
	for i := range lazy {
		lazy[i].send("feed")
		good[i].send("hello")
		good[i].expect("hello")
	}
	srv.until("40 or so clients ended", func() bool { return srv.clients.Len() <= 60 })
	for _, p := range good {
		p.send("still here?")
		p.expect("still here?")
	}
	srv.do(func() {
		if n := srv.clients.Len(); n < 51 {
			t.Errorf("got %d clients, want the good ones and those that the pool has room for", n)
		}
	})
	closeAll(lazy)
	closeAll(good)
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
}

// TestHeldForOneWhoLeaves: what is held goes back to the pool when the client goes.
func TestHeldForOneWhoLeaves(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			f := newFeeding(30 << 10)
			failed := 0
			f.failed = func(c int, _ error) { failed++; f.close(c) }
			f.ended = func(c int) { t.Error("got Ended, want Failed: not all was written"); f.close(c) }
			srv := serve(t, f.script, limits{tcp: network.tcp})
			p := srv.connect()
			p.send("x")
			srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			p.close()
			srv.until("no client", func() bool { return srv.clients.Len() == 0 })
			srv.do(func() {
				if lent := srv.pool.Lent(); lent != 0 || failed != 1 {
					t.Errorf("got %d bytes lent and %d failures, want 0 and 1", lent, failed)
				}
			})
		})
	}
}

// TestHeldAndPaused has a client that is neither read from nor reads: no cost, and both
// directions go on when it does.
func TestHeldAndPaused(t *testing.T) {
	f := newFeeding(30 << 10)
	paused := false
	f.buffer = func(int) []byte {
		if paused {
			return nil
		}
		return f.memory
	}
	f.received = func(c int, _ []byte) { paused = true; f.feed(c) }
	srv := serve(t, f.script, limits{})
	p := srv.connect()
	p.send("x")
	srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
	p.send("y")
	kit.MustIdle(t, kit.OwnCPU, 0.02)
	written := 0
	srv.do(func() { written, f.written = f.written, 0 })
	f.expectPieces(p, written)
	srv.until("drained client", func() bool { return f.drained == 1 && f.written == 0 })
	srv.do(func() {
		paused = false
		for c := range f.open {
			srv.clients.Resume(c)
		}
	})
	srv.until("answer to the second", func() bool { return f.written > 0 })
	p.close()
}
