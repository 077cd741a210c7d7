package engine

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"distcache/engine/socket"
)

// answerer answers datagrams with themselves.
type answerer struct {
	socket *Datagrams
	got    int
	turns  map[time.Duration]int // datagrams by the time of their turn
}

func (e *answerer) Datagram(from socket.Peer4, b []byte, _, now time.Duration) {
	e.got++
	e.turns[now]++
	e.socket.Send(from, b)
}

// startAnswerer makes a loop with an answerer, and a peer of it.
func startAnswerer(t *testing.T) (*Loop, *answerer, *net.UDPConn) {
	t.Helper()
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	fd, at, err := socket.ListenDatagrams(netip.MustParseAddrPort("127.0.0.1:0"), DatagramRoom)
	if err != nil {
		t.Fatal(err)
	}
	e := &answerer{turns: map[time.Duration]int{}}
	if e.socket, err = l.ServeDatagrams(fd, 100, e); err != nil {
		t.Fatal(err)
	}
	peer, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = peer.Close()
		l.Close(fd) // the loop has ended: at once
	})
	return l, e, peer
}

// TestDatagramsFlood: of many datagrams that wait, one turn takes a part, and none that the kernel has
// taken is lost.
func TestDatagramsFlood(t *testing.T) {
	l, e, peer := startAnswerer(t)
	const flood = 3 * datagramsPerTurn
	for range flood {
		if _, err := peer.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	buf := make([]byte, 200)
	for range flood {
		_ = peer.SetReadDeadline(time.Now().Add(soon))
		if n, err := peer.Read(buf); n != 100 || err != nil {
			t.Fatalf("got %d bytes and error %v, want an answer to each", n, err)
		}
	}
	_, _ = peer.Write(make([]byte, 300))
	_ = peer.SetReadDeadline(time.Now().Add(soon))
	if n, err := peer.Read(buf); n != 101 || err != nil {
		t.Errorf("got %d bytes and error %v, want that 101 of 300 were read", n, err)
	}
	l.Stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for turn, n := range e.turns {
		if n > datagramsPerTurn {
			t.Errorf("got %d datagrams in the turn at %v, want %d at the most", n, turn, datagramsPerTurn)
		}
	}
}

// TestDatagramsRest: an error that lasts does not make the loop spin.
func TestDatagramsRest(t *testing.T) {
	l, e, _ := startAnswerer(t)
	d := e.socket
	if d.Deadline() <= l.Now()+time.Hour {
		t.Fatalf("got a deadline of %v, want none", d.Deadline())
	}
	d.pause(net.ErrClosed, l.Now())
	if d.Deadline() > l.Now()+acceptPause {
		t.Errorf("got a deadline of %v, want one in %v", d.Deadline(), acceptPause)
	}
	d.Expire(d.Deadline())
	if d.Deadline() <= l.Now()+time.Hour {
		t.Errorf("got a deadline of %v, want none after the rest", d.Deadline())
	}
	l.Stop()
	_ = l.Run()
}

// TestAge: a datagram is at most as old as what was said of it, whatever the order of turns.
func TestAge(t *testing.T) {
	var a age
	a.begin(100)
	if got := a.next(100); got != 100 {
		t.Errorf("got %d, want the time of the turn that found it", got)
	}
	a.drained()
	a.begin(200)
	for range datagramsKept {
		if got := a.next(300); got != 200 {
			t.Fatalf("got %d while not drained, want the turn that fell behind, 200", got)
		}
	}
	for range datagramsKept {
		a.begin(400)
		if got := a.next(400); got != 200 {
			t.Fatalf("got %d, want 200: it came after that", got)
		}
	}
	if got := a.next(500); got != 400 {
		t.Errorf("got %d, want 400: all that was there then has been read", got)
	}
	a.drained()
	a.begin(600)
	if got := a.next(600); got != 600 {
		t.Errorf("got %d, want 600: the socket was empty", got)
	}
}
