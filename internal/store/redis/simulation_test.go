package redis

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"distcache/codec"
)

// TestSimulation plays histories of a Store with three servers that hang, fail, lie, come back and move their keys. Each
// request is answered once and in time, carried out at most once, those for one ID in their order, and no session goes to
// another ID. SEED repeats a history.
func TestSimulation(t *testing.T) {
	first, histories := rand.Uint64(), 300
	if text := os.Getenv("SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			t.Fatalf("SEED: %v", err)
		}
		first, histories = seed, 1
	}
	if text := os.Getenv("HISTORIES"); text != "" && histories > 1 {
		histories, _ = strconv.Atoi(text)
	}
	for i := range histories {
		s := newSimulation(t, first+uint64(i))
		s.play()
		if t.Failed() {
			t.Fatalf("SEED=%d", first+uint64(i))
		}
	}
}

// simulation is one history.
type simulation struct {
	*rig
	random   *rand.Rand
	owner    map[string]string        // where each ID is
	sessions map[string]string        // the truth, of all servers
	done     map[uint32]bool          // requests that a server has carried out
	last     map[string]uint32        // by ID: the request that was carried out last
	asked    map[uint32]time.Duration // all requests: when
	ids      map[uint32]string        // and of which ID
	replies  map[*batch][]reply       // to what is under way
	servers  []string
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	return &simulation{
		rig: newCluster(t), random: rand.New(rand.NewPCG(seed, 0)), servers: []string{"a:1", "b:1", "c:1"},
		owner: map[string]string{}, sessions: map[string]string{}, done: map[uint32]bool{}, last: map[string]uint32{},
		asked: map[uint32]time.Duration{}, ids: map[uint32]string{}, replies: map[*batch][]reply{},
	}
}

func (s *simulation) play() {
	for range 60 + s.random.IntN(60) {
		switch n := s.random.IntN(20); {
		case n < 9:
			for range 1 + s.random.IntN(6) {
				s.request()
			}
			s.Flush(s.rig.now)
		case n < 15:
			s.serve(s.pick())
		case n == 15:
			s.owner[s.id()] = s.pick()
		case n == 16:
			s.lookAnswered()
		default:
			s.pass(time.Duration(s.random.IntN(60)) * ms)
		}
		s.answerProbes()
	}
	for range 4 { // all of it ends
		s.pass(200 * ms)
		for _, at := range s.servers {
			for len(s.links[at].running) > 0 {
				s.serve(at)
			}
		}
		s.answerProbes()
		s.lookAnswered()
	}
	for uid, at := range s.asked {
		got := s.answers[uid]
		if len(got) != 1 {
			s.t.Errorf("request %d: got %d answers, want one", uid, len(got))
		} else if took := got[0].at - at; took > s.config.Timeout {
			s.t.Errorf("request %d: answered after %v, want %v at most", uid, took, s.config.Timeout)
		} else if want := "session of " + s.ids[uid]; got[0].data != "" && got[0].data != want {
			s.t.Errorf("request %d: got %q, want %q", uid, got[0].data, want)
		}
	}
	if s.requests.open != 0 || s.bytes != 0 {
		s.t.Errorf("at the end: %d requests, %d bytes", s.requests.open, s.bytes)
	}
}

func (s *simulation) pick() string { return s.servers[s.random.IntN(len(s.servers))] }
func (s *simulation) id() string   { return fmt.Sprint("id", s.random.IntN(5)) }

func (s *simulation) request() {
	id := s.id()
	op := codec.Op(s.random.IntN(codec.NumOps))
	uid := s.uid + 1
	s.asked[uid], s.ids[uid] = s.rig.now, id
	s.put(op, id)
}

// serve lets a server end a batch, in any order: it carries it out, or some of it, or fails.
func (s *simulation) serve(at string) {
	l := s.links[at]
	if len(l.running) == 0 {
		return
	}
	kind := s.random.IntN(12)
	l.finish(s.random.IntN(len(l.running)), func(b *batch, c *command) reply {
		switch {
		case kind == 0:
			return failure(Connection, "reset")
		case kind == 1 && s.random.IntN(2) == 0:
			return refusal("LOADING x")
		case kind == 2:
			s.carryOut(b, c, at)
			return failure(Late, "lost on the way back")
		case kind == 3 && s.random.IntN(4) == 0:
			return reply{shape: isOther}
		}
		return s.carryOut(b, c, at)
	})
}

// carryOut is what a Redis does.
func (s *simulation) carryOut(b *batch, c *command, at string) reply {
	id := string(b.cut(c.key)[len("p:"):])
	if owner := s.owner[id]; owner != "" && owner != at {
		return refusal([]string{"MOVED", "ASK"}[len(s.sessions)%2] + " 1 " + owner)
	}
	if e := s.requests.of(c); e != nil {
		uid := e.ticket.UID
		if s.done[uid] {
			s.t.Errorf("request %d is carried out twice", uid)
		}
		if s.last[id] > uid {
			s.t.Errorf("request %d for %s is carried out after %d", uid, id, s.last[id])
		}
		s.done[uid], s.last[id] = true, uid
	}
	session, there := s.sessions[id]
	number := reply{shape: isNumber}
	if there {
		number.number = 1
	}
	switch c.verb {
	case get:
		if !there {
			return reply{shape: isNull}
		}
		return reply{shape: isBulk, data: []byte(session)}
	case set:
		if there {
			return reply{shape: isNull}
		}
		s.sessions[id] = string(b.cut(c.value))
		return reply{shape: isStatus}
	case del:
		delete(s.sessions, id)
	}
	return number
}

func (s *simulation) answerProbes() {
	for _, at := range s.servers {
		l := s.links[at]
		for len(l.probes) > 0 {
			answered := l.probes[0]
			l.probes = l.probes[1:]
			switch s.random.IntN(4) {
			case 0:
				answered(failure(Connection, "refused"))
			case 1:
				answered(refusal("MOVED 1 b:1"))
			default:
				answered(reply{shape: isNumber})
			}
		}
	}
}

func (s *simulation) lookAnswered() {
	for len(s.looks) > 0 {
		if s.random.IntN(3) == 0 {
			s.look(topology{}, errNoSlots)
		} else {
			s.look(threeServers(), nil)
		}
	}
}
