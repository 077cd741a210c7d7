package kit

import (
	"net"
	"testing"
	"time"
)

// A pipe's reader gets what one write wrote, and so sees where writes end.
func TestPeerWritesPiecesAlone(t *testing.T) {
	near, far := net.Pipe()
	p := newPeer(nil, near, 1)
	x := &Exchange{peer: p}
	x.Write([]byte("to"))
	x.Write([]byte("gether"))
	x.Trickle([]byte("12345"), 2, 0)
	x.WriteAfter(0, []byte("alone"))
	x.Write([]byte("the end"))
	x.Close()
	done := make(chan struct{})
	go func() { defer close(done); p.write() }()
	b := make([]byte, 64)
	for _, want := range []string{"together", "12", "34", "5", "alone", "the end"} {
		_ = far.SetReadDeadline(time.Now().Add(Patience))
		if n, err := far.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("got %q, %v in one write, want %q", b[:n], err, want)
		}
	}
	<-done
}
