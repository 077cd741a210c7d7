package secure

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// tcp gives both ends of a TCP connection, the server's non-blocking.
func tcp(t testing.TB, l *net.TCPListener) (int, *net.TCPConn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = client.SetDeadline(time.Now().Add(patience))
	accepted, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	file, err := accepted.File()
	_ = accepted.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = unix.Close(fd)
	})
	return fd, client.(*net.TCPConn)
}

// TestTrapQueueGoesOn: waves of clients of which most leave in mid-handshake, with FIN and with RST, or send nothing. All
// others are served in each wave.
func TestTrapQueueGoesOn(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSite(t)
	q := s.queue()
	waves, each := kit.Sized(3, 10), kit.Sized(3, 20)
	for wave := range waves {
		var all []*Handshake
		ended := make(chan error, 4*each)
		for n := range 4 * each {
			fd, client := tcp(t, l)
			all = append(all, q.Begin(fd, nothing))
			go func() { ended <- misbehave(s, client, n%4) }()
		}
		silent := 0
		kit.Wait(t, patience, "end of all handshakes but those of silent clients", func() bool {
			s.turn(all...)
			silent = 0
			for _, h := range all {
				if session, err := h.Result(); session == nil && err == nil {
					silent++
				}
			}
			return silent == each
		})
		good := 0
		for _, h := range all {
			session, _ := h.Result()
			if session != nil {
				good++
				session.Close()
			} else {
				h.Abandon()
			}
		}
		if good != each {
			t.Errorf("wave %d: got %d handshakes completed, want %d", wave, good, each)
		}
		for range all {
			if err := <-ended; err != nil {
				t.Errorf("wave %d: %v", wave, err)
			}
		}
	}
	kit.Wait(t, patience, "end of the last step", func() bool { s.turn(); return q.busy == nil && len(q.waiting) == 0 })
	if lent := s.pool.Lent(); lent != 0 {
		t.Errorf("got %d bytes lent, want 0", lent)
	}
}

// misbehave is a client: 0 is a good one, 1 leaves with FIN and 2 with RST within the handshake, and 3 is silent.
func misbehave(s *site, conn *net.TCPConn, how int) error {
	switch how {
	case 0:
		return tls.Client(conn, s.client).Handshake()
	case 3:
		return nil
	}
	if how == 2 {
		_ = conn.SetLinger(0)
	}
	config := s.client.Clone()
	config.VerifyConnection = func(tls.ConnectionState) error { return conn.Close() }
	_ = tls.Client(conn, config).Handshake()
	return nil
}

// TestOneStepATurn: however many have sent their messages, a turn releases one step, and none while one computes.
func TestOneStepATurn(t *testing.T) {
	s := newSite(t)
	q := s.queue()
	var all []*Handshake
	for range 8 {
		fd, conn := sockets(t)
		all = append(all, q.Begin(fd, nothing))
		go func() { _, _ = Client(t.Context(), conn, s.client) }()
	}
	for _, h := range all {
		kit.Wait(t, patience, "ClientHello", func() bool { return readable(h.session.fd) })
		h.Readable()
	}
	for before := 0; before < len(all); {
		s.turn()
		started, busy := 0, 0
		for _, h := range all {
			if h.started {
				started++
			}
			if h.state == computing {
				busy++
			}
		}
		if started > before+1 || busy > 1 {
			t.Fatalf("got %d handshakes begun in one turn and %d that compute, want 1 at most", started-before, busy)
		}
		before = started
	}
	s.turnUntil(all...)
	for _, h := range all {
		if session, _ := h.Result(); session != nil {
			session.Close()
		}
	}
}

// TestAbandon in each state leaves no goroutine and does not stop the others.
func TestAbandon(t *testing.T) {
	s := newSite(t)
	q := s.queue()
	begin := func() *Handshake {
		fd, conn := sockets(t)
		go func() { _, _ = Client(t.Context(), conn, s.client); _ = conn.Close() }()
		h := q.Begin(fd, nothing)
		kit.Wait(t, patience, "ClientHello", func() bool { return readable(fd) })
		return h
	}
	silent := begin()
	waiting := begin()
	waiting.Readable()
	busy := begin()
	busy.Readable()
	waiting.Abandon()
	for busy.state != computing {
		s.turn()
	}
	busy.Abandon()
	silent.Abandon()
	for _, h := range []*Handshake{silent, waiting, busy} {
		if _, err := h.Result(); err != ErrAbandoned {
			t.Errorf("got %v, want ErrAbandoned", err)
		}
	}
	last := begin()
	s.turnUntil(last)
	if session, err := last.Result(); err != nil {
		t.Error(err)
	} else {
		session.Close()
	}
}
