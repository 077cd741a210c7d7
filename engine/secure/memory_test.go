package secure

import (
	"runtime"
	"testing"
)

// TestMemory holds what a Session takes that has read and written records of the largest size: engine.MaxSecure and the
// bound of dc_server's memory count with ClientMemory.
func TestMemory(t *testing.T) {
	const many = 30
	s := newSite(t)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var kept []*Session
	for range 3 { // what all share is there
		kept = append(kept, s.used())
	}
	before := heap()
	for range many {
		kept = append(kept, s.used())
	}
	each := int64(heap()-before) / many
	runtime.KeepAlive(kept)
	if t.Logf("%d bytes each", each); each > ClientMemory {
		t.Errorf("got %d bytes for each, want %d at most", each, ClientMemory)
	}
}

// used is a Session whose client is gone from memory.
func (s *site) used() *Session {
	session, client, _ := s.accept()
	if _, err := client.Write(pattern(4 * maxPlain)); err != nil {
		s.t.Fatal(err)
	}
	expect(s.t, session, pattern(4*maxPlain))
	return session
}
