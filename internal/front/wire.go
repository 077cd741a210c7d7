package front

import "distcache/codec"

// Wire is a protocol that clients speak. What it gives is in distcache's own form.
type Wire interface {
	// Opened prepares for a new client under the number c.
	Opened(c int)
	// Next finds the first whole request of c in b, and how many bytes of b it takes. It
	// returns codec.ErrShort when b holds only the beginning of one, which comes again,
	// longer, and another error when the bytes are corrupt.
	Next(c int, b []byte) (m codec.Message, size int, err error)
	// Part is how many bytes of the answers b a client must read before it sees the rest, or
	// 0 when it may read them in any way.
	Part(b []byte) int
}

// Distcache is distcache's own protocol (docs/PROTOCOL.md). A request is a view of the
// client's bytes: nothing is copied.
type Distcache struct {
	assemblers []codec.Assembler // by client
}

// NewDistcache makes the Wire of one Front.
func NewDistcache() *Distcache { return &Distcache{} }

// Opened forgets what an earlier client under the number c had begun.
func (w *Distcache) Opened(c int) {
	for len(w.assemblers) <= c {
		w.assemblers = append(w.assemblers, make([]codec.Assembler, c+1-len(w.assemblers))...)
	}
	w.assemblers[c] = codec.Assembler{}
}

// Next cuts the first message off b.
func (w *Distcache) Next(c int, b []byte) (m codec.Message, size int, err error) {
	m, err = w.assemblers[c].Next(b)
	return m, len(m.Wire), err
}

// Applications on the old libdistcache read into 4,096 bytes, and take a frame for whole
// although up to missed of its bytes have not arrived. An answer of several frames fills
// that buffer, when it is read in one go, with one frame and all but a few bytes of its last
// (docs/PROTOCOL.md, “Known clients”).
const (
	oldBuffer = 4096
	missed    = 4
)

// Part is where the last frame of the answer b begins, if an old client would misread it. Such
// a client has one request open at a time, so that several answers together are not for one.
func (w *Distcache) Part(b []byte) int {
	if len(b) <= oldBuffer {
		return 0
	}
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
