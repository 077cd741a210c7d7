package restart

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// oldServer is a dc_server of distcache 1.5: what it keeps, and how it reads. An ADD of
// under 8 bytes makes it close the connection.
type oldServer struct {
	mu       sync.Mutex
	sessions map[string]string
	closed   int // connections that it closed on a short ADD
}

func startOldServer(t *testing.T) (*oldServer, kit.Endpoint) {
	s := &oldServer{sessions: map[string]string{}}
	return s, serveOld(t, s.serve)
}

// serveOld accepts connections until the test ends.
func serveOld(t *testing.T, serve func(sock net.Conn)) kit.Endpoint {
	t.Helper()
	at := kit.Unix(t)
	l, err := net.Listen(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, sock)
			mu.Unlock()
			running.Go(func() {
				defer func() { _ = sock.Close() }()
				serve(sock)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, sock := range open {
			_ = sock.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return at
}

func (s *oldServer) serve(sock net.Conn) {
	r := &oldReader{sock: sock}
	for {
		wire, err := r.next()
		if err != nil {
			return
		}
		m, err := parseWire(codec.Request, wire)
		if err != nil {
			return
		}
		if m.Op == codec.OpAdd && m.PayloadLen < codec.AddOverhead {
			s.mu.Lock()
			s.closed++
			s.mu.Unlock()
			return
		}
		if _, err := sock.Write(codec.AppendMessage(nil, codec.Response, m.UID, m.Op, s.answer(m))); err != nil {
			return
		}
	}
}

func (s *oldServer) answer(m codec.Message) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	payload := m.Payload(nil)
	if m.Op == codec.OpAdd {
		a, status := codec.ParseAdd(payload)
		if _, there := s.sessions[string(a.ID)]; status == codec.StatusOK && there {
			status = codec.StatusAddExists
		}
		if status == codec.StatusOK {
			s.sessions[string(a.ID)] = string(a.Data)
		}
		return []byte{byte(status)}
	}
	data, there := s.sessions[string(payload)]
	switch {
	case !there:
		return []byte{byte(codec.StatusNotOK)}
	case m.Op == codec.OpGet:
		return []byte(data)
	case m.Op == codec.OpRemove:
		delete(s.sessions, string(payload))
	}
	return []byte{byte(codec.StatusOK)}
}

// startOldProxy is a dc_client of distcache 1.5: one connection to dc_server, uids of its
// own from 1 on, and an EMPTY answer when there is no dc_server.
func startOldProxy(t *testing.T, server kit.Endpoint) kit.Endpoint {
	t.Helper()
	p := &oldProxy{waiting: map[uint32]chan []byte{}}
	if sock, err := net.Dial(server.Network, server.Address); err == nil {
		p.up = sock
		done := make(chan struct{})
		go func() { defer close(done); p.deliver() }()
		t.Cleanup(func() { _ = sock.Close(); <-done })
	}
	return serveOld(t, p.serve)
}

type oldProxy struct {
	up net.Conn // nil: no dc_server

	mu      sync.Mutex
	next    uint32
	waiting map[uint32]chan []byte
}

func (p *oldProxy) serve(sock net.Conn) {
	r := &oldReader{sock: sock}
	for {
		wire, err := r.next()
		if err != nil {
			return
		}
		m, err := parseWire(codec.Request, wire)
		if err != nil {
			return
		}
		answer := codec.AppendMessage(nil, codec.Response, m.UID, m.Op, nil)
		if p.up != nil {
			if answer, err = p.forward(m); err != nil {
				return
			}
		}
		if _, err := sock.Write(answer); err != nil {
			return
		}
	}
}

func (p *oldProxy) forward(m codec.Message) ([]byte, error) {
	came := make(chan []byte, 1)
	client := m.UID
	p.mu.Lock()
	p.next++
	p.waiting[p.next] = came
	codec.SetUID(m.Wire, p.next)
	_, err := p.up.Write(m.Wire)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	answer, ok := <-came
	if !ok {
		return nil, io.EOF
	}
	codec.SetUID(answer, client)
	return answer, nil
}

func (p *oldProxy) deliver() {
	r := &oldReader{sock: p.up}
	for {
		wire, err := r.next()
		p.mu.Lock()
		if err != nil {
			for uid, came := range p.waiting {
				close(came)
				delete(p.waiting, uid)
			}
			p.mu.Unlock()
			return
		}
		m, err := parseWire(codec.Response, wire)
		if came := p.waiting[m.UID]; err == nil && came != nil {
			came <- wire
			delete(p.waiting, m.UID)
		}
		p.mu.Unlock()
	}
}

// TestOldReaderHasTheFlaw compares the fake with what was observed of the old tools: messages of
// several frames are torn if their last frame carries 2,021 to 2,024 bytes, and no others.
func TestOldReaderHasTheFlaw(t *testing.T) {
	t.Parallel()
	at := serveOld(t, func(sock net.Conn) {
		m, err := (&oldReader{sock: sock}).next()
		if err != nil {
			return
		}
		q, err := parseWire(codec.Request, m)
		if err != nil {
			return
		}
		size := int(q.Payload(nil)[0])<<8 | int(q.Payload(nil)[1])
		_, _ = sock.Write(codec.AppendMessage(nil, codec.Response, q.UID, q.Op, make([]byte, size)))
	})
	for _, size := range []int{0, 1, 2020, 2021, 2024, 2025, 2048, 2049, 4068, 4069, 4070, 4071, 4072, 4073, 4096,
		6116, 6117, 6120, 6121, 30692, 30693, 30696, 30697, 32740, 32741, 32744, 32745, 32768} {
		got, err := oldAsk(at.Network, at.Address, 7, codec.OpGet, []byte{byte(size >> 8), byte(size)})
		if torn := errors.Is(err, errTornFrame); torn != tears(size) || !torn && (err != nil || len(got) != size) {
			t.Errorf("%d bytes: got %d bytes, %v, want them torn: %v", size, len(got), err, tears(size))
		}
	}
}
