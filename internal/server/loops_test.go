package server

import (
	"fmt"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/store"
)

// loop is one hot path: run does it once. The zero-allocation test and the
// benchmarks run the same loops, so that what is timed is what is claimed.
type loop struct {
	name string // key=value, as benchstat reads them
	run  func()
}

// must ends a loop that no longer does what it is named after.
func must(tb testing.TB, ok bool) {
	if !ok {
		tb.Helper()
		tb.Fatal("the loop does something else than its name says")
	}
}

// still is sockets that take everything, and an observer that says nothing.
type still struct{ written int }

func (s *still) Write(_ int, b []byte) (bool, error) { s.written += len(b); return false, nil }
func (s *still) Resume(int)                          {}

func (s *still) WriteParted(c int, b []byte, _ int) (bool, error) { return s.Write(c, b) }
func (s *still) EndTurn()                                         {}
func (s *still) Progress(uint64)                                  {}
func (s *still) Unread(int) int                                   { return 0 }
func (s *still) Close(int)                                        {}

func (s *still) ClientDropped(int, front.Reason, error, time.Duration) {}
func (s *still) Evicted(int, store.Full, time.Duration)                {}

// stillServer has client 0 and a full store.
func stillServer(tb testing.TB, sessions int) (*Server, *still) {
	store, err := store.NewMemory(store.Config{MaxSessions: sessions})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	s := &still{}
	srv := New(Config{Idle: deadline.Never}, store, s, buffer.NewPool(1<<20), s)
	srv.front.Opened(0, 0)
	for i := range sessions {
		store.Add(sessionID(i), make([]byte, 180), time.Hour, 0)
	}
	return srv, s
}

func sessionID(i int) []byte { return fmt.Appendf(nil, "%032d", i) }

// exchange sends requests in one read and checks how many bytes came back.
func exchange(tb testing.TB, srv *Server, s *still, requests []byte, answers int) func() {
	return func() {
		before := s.written
		b := srv.front.Buffer(0)
		srv.front.Received(0, b[:copy(b, requests)], 0)
		must(tb, s.written-before == answers)
	}
}

// requestLoops are each operation alone and many in one read.
func requestLoops(tb testing.TB) []loop {
	var loops []loop
	const sessions = 1000
	id := sessionID(sessions / 2)
	for _, k := range []struct {
		name    string
		op      codec.Op
		payload []byte
		answer  int
	}{
		{"op=GET/result=hit", codec.OpGet, id, 180},
		{"op=GET/result=miss", codec.OpGet, sessionID(sessions + 1), 1},
		{"op=HAVE/result=hit", codec.OpHave, id, 1},
		{"op=REMOVE/result=miss", codec.OpRemove, sessionID(sessions + 1), 1},
		{"op=ADD/result=exists", codec.OpAdd, add(string(id), "data", time.Hour), 1},
	} {
		for _, n := range []int{1, 100} {
			srv, s := stillServer(tb, sessions)
			var requests []byte
			for range n {
				requests = codec.AppendMessage(requests, codec.Request, 7, k.op, k.payload)
			}
			run := exchange(tb, srv, s, requests, n*(codec.HeaderSize+k.answer))
			loops = append(loops, loop{fmt.Sprintf("%s/pipelined=%d", k.name, n), run})
		}
	}
	return loops
}

// addLoops store new sessions: in a full store, where each evicts one, and in one with
// room, where each is removed again.
func addLoops(tb testing.TB) []loop {
	const sessions = 1000
	full, fullSockets := stillServer(tb, sessions)
	next := sessions
	roomy, roomySockets := stillServer(tb, sessions)
	roomy.store.(*store.Memory).Remove(sessionID(0), 0)
	addID := add(string(sessionID(0)), string(make([]byte, 180)), time.Hour)
	pair := codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, addID)
	pair = codec.AppendMessage(pair, codec.Request, 8, codec.OpRemove, sessionID(0))
	request := codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, addID)
	id := request[codec.HeaderSize+codec.AddOverhead:][:32]
	evict := exchange(tb, full, fullSockets, request, codec.HeaderSize+1)
	return []loop{
		{"op=ADD/store=full", func() {
			next++
			for i, n := 31, next; i >= 0; i, n = i-1, n/10 {
				id[i] = '0' + byte(n%10)
			}
			evict()
		}},
		{"op=ADD+REMOVE/store=roomy", exchange(tb, roomy, roomySockets, pair, 2*(codec.HeaderSize+1))},
	}
}
