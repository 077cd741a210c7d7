package server

import (
	"time"

	"distcache/codec"
)

// warmer is a Store whose lookups are faster when it is told of several at once.
type warmer interface {
	// Warm reads what the lookups of these ids will read.
	Warm(ids [][]byte)
}

// Received tells the Store what is about to be looked up, then takes the bytes. A
// dc_client's read brings many requests; the memory that their sessions are in is then
// waited for together rather than one after the other.
func (s *Server) Received(c int, b []byte, now time.Duration) {
	if s.warmer != nil {
		s.warm(b)
	}
	s.Table.Received(c, b, now)
}

// warm finds the ids in b. It need not be right: b may begin within a request, in which
// case what is no header ends it, and nothing depends on what was warmed.
func (s *Server) warm(b []byte) {
	ids := s.ids[:0]
	for {
		h, err := codec.ParseHeader(b, codec.Request)
		end := codec.HeaderSize + h.DataLen
		if err != nil || len(b) < end {
			break
		}
		if h.Op != codec.OpAdd && codec.ValidID(b[codec.HeaderSize:end]) {
			ids = append(ids, b[codec.HeaderSize:end])
		}
		b = b[end:]
	}
	s.ids = ids
	if len(ids) > 1 {
		s.warmer.Warm(ids)
	}
	clear(ids)
}
