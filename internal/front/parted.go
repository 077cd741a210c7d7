package front

import (
	"distcache/codec"
	"distcache/engine"
)

// Applications on the old libdistcache read into 4,096 bytes, and take a frame for whole
// of which up to missed bytes have not come. An answer of several frames fills that buffer,
// when it is read in one go, with one frame and all but a few bytes of its last
// (PROTOCOL.md, “Known clients”).
const (
	oldBuffer = 4096
	missed    = 4
)

// send writes b. An answer that an old client would misread in one go goes in two.
func (t *Table) send(c int, b []byte) engine.Outcome {
	if len(b) > oldBuffer {
		if at := partAt(b); at > 0 {
			return t.sockets.WriteParted(c, b, at)
		}
	}
	return t.sockets.Write(c, b)
}

// partAt is where the last frame of the answer b begins, if an old client would misread
// it, else 0. Such a client has one request open at a time, so that several answers
// together are not for one.
func partAt(b []byte) int {
	last := len(b) % codec.FrameSize
	if over := last - (oldBuffer - codec.FrameSize); over < 1 || over > missed {
		return 0
	}
	a := codec.NewAssembler(codec.Response)
	if m, err := a.Next(b); err != nil || len(m.Wire) != len(b) {
		return 0
	}
	return len(b) - last
}
