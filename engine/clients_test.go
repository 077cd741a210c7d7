package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// networks are what clients come over.
var networks = []struct {
	name string
	tcp  bool
}{{"unix", false}, {"TCP", true}}

// TestManyClients has 1,000 clients at a time, each of which is told its own text.
func TestManyClients(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{tcp: network.tcp})
			peers := srv.connectMany(1000)
			for i, p := range peers {
				p.send(fmt.Sprintf("I am %d", i))
			}
			for i, p := range peers {
				p.expect(fmt.Sprintf("I am %d", i))
			}
			srv.until("1,000 clients", func() bool { return srv.clients.Len() == 1000 })
			closeAll(peers)
			srv.until("none", func() bool { return srv.clients.Len() == 0 })
		})
	}
}

// TestNumbersAreUsedAgain has 2,000 clients one after the other, and some that stay.
func TestNumbersAreUsedAgain(t *testing.T) {
	numbers := map[int]int{}
	s := &script{}
	s.opened = func(c int) { numbers[c]++ }
	srv := serve(t, s, limits{})
	stay := srv.connectMany(4)
	for i := range 2000 {
		text := fmt.Sprintf("%d", i)
		p := srv.connect()
		p.send(text)
		p.expect(text)
		p.close()
	}
	closeAll(stay)
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
	srv.do(func() {
		total := 0
		for _, n := range numbers {
			total += n
		}
		if total != 2004 || len(numbers) > 50 {
			t.Errorf("got %d clients with %d numbers, want 2004 with few", total, len(numbers))
		}
		if len(srv.clients.free) > 50 {
			t.Errorf("got %d clients kept for reuse, want few", len(srv.clients.free))
		}
	})
}

// TestHalfClose: who has sent all still gets an answer, then the end.
func TestHalfClose(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			s := &script{}
			s.ended = func(c int) {
				s.write(c, []byte(" and bye"))
				s.close(c)
			}
			srv := serve(t, s, limits{tcp: network.tcp})
			p := srv.connect()
			p.send("hello")
			if err := unix.Shutdown(p.fd, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			p.expect("hello and bye")
			p.expectEnd()
			p.close()
		})
	}
}

// TestEndIsTold has clients that go in each way there is: the Handler hears of it once,
// after all that they sent.
func TestEndIsTold(t *testing.T) {
	rows := []struct {
		name    string
		tcp     bool
		leave   func(p peer)
		failure error // nil: Ended
	}{
		{"unix, close", false, func(p peer) {
			p.expect("hello")
			p.close()
		}, nil},
		{"unix, close with an answer unread", false, func(p peer) {
			waitForBytes(p)
			p.close()
		}, unix.ECONNRESET},
		{"TCP, close", true, func(p peer) {
			p.expect("hello")
			p.close()
		}, nil},
		{"TCP, reset", true, peer.reset, unix.ECONNRESET},
		{"TCP, close with an answer unread", true, func(p peer) {
			waitForBytes(p)
			p.close()
		}, unix.ECONNRESET},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var log []string
			var failure error
			s := &script{}
			s.received = func(c int, b []byte) {
				log = append(log, string(b))
				if s.write(c, b) == failed { // which tells of the end as well as Failed does
					log, failure = append(log, "failed"), row.failure
				}
			}
			s.ended = func(c int) { log = append(log, "ended"); s.close(c) }
			s.failed = func(c int, err error) { log, failure = append(log, "failed"), err; s.close(c) }
			srv := serve(t, s, limits{tcp: row.tcp})
			p := srv.connect()
			p.send("hello")
			row.leave(p)
			want := []string{"hello", "ended"}
			if row.failure != nil {
				want[1] = "failed"
			}
			srv.until("end of the client", func() bool { return len(log) >= 2 && srv.clients.Len() == 0 })
			srv.turns()
			srv.do(func() {
				if !slices.Equal(log, want) || !errors.Is(failure, row.failure) {
					t.Errorf("got %q, %v, want %q, %v", log, failure, want, row.failure)
				}
			})
		})
	}
}

// waitForBytes waits until there is something to be read, and leaves it there.
func waitForBytes(p peer) {
	p.t.Helper()
	for {
		_, _, err := unix.Recvfrom(p.fd, make([]byte, 1), unix.MSG_PEEK)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			p.t.Fatal(err)
		}
	}
}

// TestPaused gives 500 clients no memory to read into: they cost nothing while they wait,
// even those that leave meanwhile, and nothing that they sent is lost.
func TestPaused(t *testing.T) {
	const count = 500
	paused, asked, ended := true, 0, 0
	s := &script{}
	s.buffer = func(int) []byte {
		asked++
		if paused {
			return nil
		}
		return s.memory
	}
	s.ended = func(c int) { ended++; s.close(c) }
	srv := serve(t, s, limits{})
	peers := srv.connectMany(count)
	for i, p := range peers {
		p.send(fmt.Sprint("wait ", i))
	}
	srv.until("question for memory for each", func() bool { return asked == count })
	for i, p := range peers {
		if i%2 == 1 {
			p.close()
		}
	}
	kit.MustIdle(t, kit.OwnCPU, 0.01)
	srv.do(func() {
		if asked != count || ended != 0 {
			t.Errorf("got %d questions for memory and %d ends, want %d and 0", asked, ended, count)
		}
		paused = false
		for c := range s.open {
			srv.clients.Resume(c)
			srv.clients.Resume(c) // once more changes nothing
		}
	})
	for i, p := range peers {
		if i%2 == 0 {
			p.expect(fmt.Sprint("wait ", i))
			p.close()
		}
	}
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
}

// TestPausedAgainAndAgain pauses before each read.
func TestPausedAgainAndAgain(t *testing.T) {
	const rounds = 300
	paused := false
	s := &script{}
	s.buffer = func(c int) []byte {
		if paused = !paused; !paused {
			return s.memory[:1]
		}
		if err := s.clients.loop.Post(func() { s.clients.Resume(c) }); err != nil {
			t.Error(err)
		}
		return nil
	}
	srv := serve(t, s, limits{})
	p := srv.connect()
	text := pattern(rounds)
	p.send(text)
	p.expect(text)
	p.close()
	srv.until("no client", func() bool { return srv.clients.Len() == 0 })
}

// TestReadInPieces offers a byte at a time.
func TestReadInPieces(t *testing.T) {
	pieces := 0
	s := &script{}
	s.buffer = func(int) []byte { return s.memory[:1] }
	s.received = func(c int, b []byte) { pieces++; s.write(c, b) }
	srv := serve(t, s, limits{})
	p := srv.connect()
	text := pattern(200)
	p.send(text)
	p.expect(text)
	p.close()
	srv.do(func() {
		if pieces != len(text) {
			t.Errorf("got %d pieces, want %d", pieces, len(text))
		}
	})
}

// TestOneReadATurn: a client that sends without end does not keep the loop from others.
func TestOneReadATurn(t *testing.T) {
	var order []int
	s := &script{}
	s.buffer = func(int) []byte { return s.memory[:1] }
	s.received = func(c int, _ []byte) { order = append(order, c) }
	srv := serve(t, s, limits{})
	peers := srv.connectMany(2)
	srv.until("2 clients", func() bool { return srv.clients.Len() == 2 })
	srv.do(func() { // so that both have bytes when the next turn begins
		peers[0].send("aaaaaaaa")
		peers[1].send("bbbbbbbb")
	})
	srv.until("16 bytes", func() bool { return len(order) == 16 })
	for i := 0; i < len(order); i += 2 {
		if order[i] == order[i+1] {
			t.Errorf("got the order %v, want both clients in each turn", order)
			break
		}
	}
	closeAll(peers)
}

// TestClosedByAnother has clients that are all ready in one turn, the first of which has
// all the others closed: nothing is told of them any more.
func TestClosedByAnother(t *testing.T) {
	const count = 32
	told := 0
	s := &script{}
	s.received = func(c int, b []byte) {
		told++
		for other := range s.open {
			if other != c {
				s.close(other)
			}
		}
		s.write(c, b)
	}
	srv := serve(t, s, limits{})
	peers := srv.connectMany(count)
	srv.until("all clients", func() bool { return srv.clients.Len() == count })
	srv.do(func() {
		for i, p := range peers {
			p.send("x")
			if i%2 == 1 {
				if err := unix.Shutdown(p.fd, unix.SHUT_WR); err != nil {
					t.Error(err)
				}
			}
		}
		s.ended = func(c int) { told++; s.close(c) } // of the one that is left, perhaps
	})
	srv.until("one client or none", func() bool { return srv.clients.Len() <= 1 })
	served := 0
	for _, p := range peers {
		if got, _ := p.read(1); got == "x" {
			served++
		}
	}
	srv.do(func() {
		if told > 2 || served != 1 {
			t.Errorf("told of %d events, %d clients served, want at most 2 events of 1 client", told, served)
		}
	})
	closeAll(peers)
}

// TestClosedInEachCall closes a client from within whatever call tells of it.
func TestClosedInEachCall(t *testing.T) {
	big := []byte(pattern(100 << 10))
	full := func(srv *server, p peer) {
		p.send("x")
		srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
	}
	rows := []struct {
		name   string
		tcp    bool
		script func(s *script)
		client func(srv *server, p peer)
	}{
		{"Opened", false, func(s *script) { s.opened = s.close }, func(*server, peer) {}},
		{"Received", false, func(s *script) { s.received = func(c int, _ []byte) { s.close(c) } },
			func(_ *server, p peer) { p.send("x") }},
		{"Ended", false, func(s *script) { s.ended = s.close },
			func(_ *server, p peer) { _ = unix.Shutdown(p.fd, unix.SHUT_WR) }},
		{"Failed to read", true, func(s *script) { s.received = func(int, []byte) {} },
			func(_ *server, p peer) { p.send("x"); p.reset() }},
		{"Drained", false, func(s *script) {
			s.received = func(c int, _ []byte) { fill(s, c, big) }
			s.drained = s.close
		}, full},
		{"Failed to write", false, func(s *script) { s.received = func(c int, _ []byte) { fill(s, c, big) } },
			func(srv *server, p peer) { full(srv, p); _ = unix.Shutdown(p.fd, unix.SHUT_RD) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := &script{}
			row.script(s)
			srv := serve(t, s, limits{tcp: row.tcp})
			p := srv.connect()
			row.client(srv, p)
			if !row.tcp { // else it is closed already
				for got := "x"; got != ""; {
					got, _ = p.read(64 << 10)
				}
				p.close()
			}
			srv.until("end of the client", func() bool { return len(s.died) == 1 && srv.clients.Len() == 0 })
			srv.turns()
		})
	}
}

// fill writes b until the socket takes no more.
func fill(s *script, c int, b []byte) {
	for range 1000 {
		switch got := outcomeOf(s.clients.Write(c, b)); got {
		case held:
			return
		case sent:
		default:
			s.t.Errorf("write of %d bytes: got %v, want sent or held", len(b), got)
			return
		}
	}
	s.t.Errorf("a socket took %d bytes", 1000*len(b))
}

// TestTurnEnded: however many clients ask for it in one turn, its end is told once, after
// all of them.
func TestTurnEnded(t *testing.T) {
	const count = 16
	var log []string
	s := &script{}
	srv := serve(t, s, limits{})
	peers := srv.connectMany(count)
	srv.until("all clients", func() bool { return srv.clients.Len() == count })
	srv.do(func() {
		s.received = func(int, []byte) { log = append(log, "received"); srv.EndTurn() }
		s.turnEnded = func() { log = append(log, "end") }
		for _, p := range peers {
			p.send("x")
		}
	})
	srv.until("end of the turn", func() bool { return slices.Contains(log, "end") })
	srv.do(func() {
		want := append(slices.Repeat([]string{"received"}, count), "end")
		if !slices.Equal(log, want) {
			t.Errorf("got %q, want %q", log, want)
		}
	})
	closeAll(peers)
}
