package kit

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
)

func TestUpstreamRecords(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	first := Dial(t, u.Endpoint())
	first.ExpectStatus(Have(7, "probe"), codec.StatusNotOK)
	second := Dial(t, u.Endpoint())
	second.ExpectStatus(Add(8, "id", "data", time.Hour), codec.StatusOK)
	first.ExpectStatus(Ask(9, codec.OpAdd, []byte("short")), codec.StatusAddCorrupt)

	want := []Request{
		{Conn: 1, Number: 1, UID: 7, Op: codec.OpHave, ID: "probe", Wire: Have(7, "probe")},
		{Conn: 2, Number: 1, UID: 8, Op: codec.OpAdd, ID: "id", Wire: Add(8, "id", "data", time.Hour)},
		{Conn: 1, Number: 2, UID: 9, Op: codec.OpAdd, ID: "", Wire: Ask(9, codec.OpAdd, []byte("short"))},
	}
	got := u.Requests()
	if len(got) != len(want) {
		t.Fatalf("got %d requests, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if !bytes.Equal(g.Wire, w.Wire) {
			t.Errorf("got %x, want %x", g.Wire, w.Wire)
		}
		g.Wire, w.Wire = nil, nil
		if g.Conn != w.Conn || g.Number != w.Number || g.UID != w.UID || g.Op != w.Op || g.ID != w.ID {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
}

func TestUpstreamCounts(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	a, b := Dial(t, u.Endpoint()), Dial(t, u.Endpoint())
	a.ExpectStatus(Have(1, "x"), codec.StatusNotOK)
	a.ExpectStatus(Have(2, "x"), codec.StatusNotOK)
	b.ExpectStatus(Get(3, "x"), codec.StatusNotOK)
	if u.Asked() != 3 || u.Conns() != 2 || u.Open() != 2 {
		t.Errorf("got %d asked, %d connections, %d open, want 3, 2, 2", u.Asked(), u.Conns(), u.Open())
	}
	if have, get := u.Seen(codec.OpHave, "x"), u.Seen(codec.OpGet, "x"); have != 2 || get != 1 {
		t.Errorf("got %d HAVE and %d GET seen, want 2 and 1", have, get)
	}
	_ = a.Close()
	Wait(t, Patience, "connection less", func() bool { return u.Open() == 1 })
	if u.Conns() != 2 {
		t.Errorf("got %d connections, want 2", u.Conns())
	}
}

func TestUpstreamRecordsCorruption(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	c := Dial(t, u.Endpoint())
	c.Send([]byte("GET / HTTP/1.0\r\n\r\n"))
	c.ExpectClosed()
	var corrupt *codec.CorruptError
	if got := u.Corrupt(); len(got) != 1 || !errors.As(got[0], &corrupt) || corrupt.Field != "proto_level" {
		t.Errorf("got %v, want one corrupt proto_level", got)
	}
	if u.Asked() != 0 {
		t.Errorf("got %d requests, want none", u.Asked())
	}
}

func TestRecordIsBounded(t *testing.T) {
	var r record
	for range maxRecorded + 10 {
		r.asked(Request{})
	}
	if len(r.requests) != maxRecorded || r.total != maxRecorded+10 {
		t.Errorf("got %d kept of %d, want %d of %d", len(r.requests), r.total, maxRecorded, maxRecorded+10)
	}
}

// Of several ADDs of one session at the same time one is taken, and of as many REMOVEs
// one finds it.
func TestSessionsChangeAtOnce(t *testing.T) {
	const ids = 20_000
	s := sessions{byID: map[string]session{}}
	add := func(id string) []byte { return Add(1, id, "data", time.Hour) }
	if got := s.taken(t, ids, add); got != ids {
		t.Errorf("got %d ADDs of %d sessions taken, want one of each", got, ids)
	}
	remove := func(id string) []byte { return Remove(1, id) }
	if got := s.taken(t, ids, remove); got != ids {
		t.Errorf("got %d REMOVEs of %d sessions that found one, want one of each", got, ids)
	}
}

// taken has several goroutines ask the same, one session after the other, and gives how
// many requests were answered OK.
func (s *sessions) taken(t *testing.T, ids int, request func(id string) []byte) int64 {
	var all sync.WaitGroup
	var ok atomic.Int64
	for range 4 {
		all.Go(func() {
			for i := range ids {
				var a codec.Assembler
				m, err := a.Next(request(strconv.Itoa(i)))
				if err != nil {
					t.Error(err)
					return
				}
				if answer := s.answer(m); codec.Status(answer[codec.HeaderSize]) == codec.StatusOK {
					ok.Add(1)
				}
			}
		})
	}
	all.Wait()
	return ok.Load()
}

// TestReplaced: a connection counts when it carried more than a probe and is not the last.
func TestReplaced(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	for n, want := range []int{0, 0, 1} {
		c := Dial(t, u.Endpoint())
		for uid := range uint32(1 + n%2) {
			c.ExpectStatus(Have(uid, "id"), codec.StatusNotOK)
		}
		if got := u.Replaced(); got != want {
			t.Errorf("connection %d: got %d replaced, want %d", n+1, got, want)
		}
	}
}
