package agent

import (
	"slices"
	"time"

	"distcache/codec"
	"distcache/upstream"
)

// ship is the connection to one server, and the server.
type ship struct {
	f        *fleet
	name     string
	link     *upstream.Link
	state    connection
	hung     bool
	voyage   int           // connections and attempts so far
	failedAt time.Duration // when the last one ended
	requests codec.Assembler
	in       []byte
	pending  []codec.Message // their Wire is a copy
}

// Drive, Dial, Close and Write implement upstream.Transport.
func (s *ship) Drive(l *upstream.Link) { s.link = l }

func (s *ship) Dial() {
	s.f.must(s.state == off, "%s: dialed while connected", s.name)
	s.state = dialing
	s.voyage++
	s.f.note("%s: dial", s.name)
}

func (s *ship) Close() {
	s.f.must(s.state != off, "%s: closed what is closed", s.name)
	s.f.note("%s: closed, with %d requests", s.name, len(s.pending))
	if serving := s.f.Servers().Serving(); serving != nil && serving.Server().Link() == s.link {
		s.f.adrift = s.f.now
	}
	s.state, s.in, s.pending, s.failedAt = off, nil, nil, s.f.now
	s.voyage++
}

func (s *ship) Write(b []byte) (int, error) {
	s.f.must(s.state == connected, "%s: written to without a connection", s.name)
	s.in = append(s.in, b...)
	for {
		m, err := s.requests.Next(s.in)
		if err != nil {
			return len(b), nil
		}
		rest := s.in[len(m.Wire):]
		m.Wire = slices.Clone(m.Wire)
		s.pending, s.in = append(s.pending, m), rest
		if m.Op == codec.OpGet {
			s.f.arrived(s, string(m.Payload(nil)))
		}
	}
}

// finishDial ends an attempt, mostly well. A server that hangs may still connect.
func (f *fleet) finishDial(s *ship) {
	if s.state != dialing {
		return
	}
	if s.hung && f.rng.IntN(2) == 0 {
		return
	}
	if f.rng.IntN(5) == 0 {
		f.lose(s)
		return
	}
	f.connect(s)
}

func (f *fleet) connect(s *ship) {
	f.note("%s: connected", s.name)
	s.state, s.requests, s.in = connected, codec.NewAssembler(codec.Request), nil
	s.link.Connected(f.now)
}

// lose ends a connection or an attempt. No more requests are answered DISCONNECTED than that connection had.
func (f *fleet) lose(s *ship) {
	had, before := uint64(len(s.pending)), f.figures.Mux.Lost
	f.note("%s is lost", s.name)
	s.link.Broken(upstream.ErrClosed, f.now)
	f.TurnEnded(f.now)
	f.collect()
	lost := f.figures.Mux.Lost - before
	f.must(lost <= had, "%d requests were lost with %s, which had %d", lost, s.name, had)
	f.MostLost = max(f.MostLost, lost)
}

// answerOne lets s answer one of its requests, any: a GET with its own payload.
func (f *fleet) answerOne(s *ship) {
	if s.state != connected || len(s.pending) == 0 || s.hung {
		return
	}
	i := f.rng.IntN(len(s.pending))
	q := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	payload := []byte{byte(codec.StatusNotOK)}
	if q.Op == codec.OpGet {
		payload = q.Payload(nil)
	}
	f.note("%s answers %q", s.name, payload)
	if serving := f.Servers().Serving(); !f.spread && serving != nil && serving.Server().Link() != s.link && s.link.State() == upstream.Up {
		f.LateAnswers++
	}
	n := copy(s.link.Buffer(), codec.AppendMessage(nil, codec.Response, q.UID, q.Op, payload))
	s.link.Received(n, f.now)
}
