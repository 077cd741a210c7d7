package kit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
)

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
