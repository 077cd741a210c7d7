package terminators

import (
	"net"
	"sync"
)

// relay is between eapol_test, which knows one server, and the two hosts. Each authentication goes to the next host:
// a request without State begins one.
type relay struct {
	near    net.PacketConn
	far     [2]net.Conn
	running sync.WaitGroup
	client  net.Addr
	mu      sync.Mutex
}

func newRelay(s *site) (*relay, error) {
	r := &relay{}
	var err error
	if r.near, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	for i, h := range s.hosts {
		if r.far[i], err = net.Dial("udp4", h.At); err != nil {
			return nil, err
		}
		r.running.Go(func() { r.back(r.far[i]) })
	}
	r.running.Go(r.forth)
	return r, nil
}

func (r *relay) forth() {
	packet, begun, lastID := make([]byte, 4096), 0, -1
	for {
		n, from, err := r.near.ReadFrom(packet)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.client = from
		r.mu.Unlock()
		if id := int(packet[1]); id != lastID && !hasState(packet[:n]) {
			begun++
		}
		lastID = int(packet[1])
		_, _ = r.far[begun%2].Write(packet[:n])
	}
}

func (r *relay) back(far net.Conn) {
	packet := make([]byte, 4096)
	for {
		n, err := far.Read(packet)
		if err != nil {
			return
		}
		r.mu.Lock()
		to := r.client
		r.mu.Unlock()
		_, _ = r.near.WriteTo(packet[:n], to)
	}
}

func (r *relay) end() {
	_ = r.near.Close()
	for _, far := range r.far {
		_ = far.Close()
	}
	r.running.Wait()
}

// hasState reports whether a RADIUS packet has the attribute State (24): a header of 20 bytes, then type, length, value.
func hasState(packet []byte) bool {
	for at := 20; at+2 <= len(packet) && packet[at+1] >= 2; at += int(packet[at+1]) {
		if packet[at] == 24 {
			return true
		}
	}
	return false
}
