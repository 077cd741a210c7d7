package front

import (
	"errors"

	"distcache/codec"
)

// Wire is a protocol that clients speak. What it gives is in distcache's own form.
type Wire interface {
	// Name is what the figures call the protocol.
	Name() string
	// Next finds the first whole request of c in b, and how many bytes of b it takes. It
	// returns codec.ErrShort when b holds only the beginning of one, which comes again,
	// longer, and another error when the bytes are corrupt. begun tells that Next returned
	// ErrShort for the beginning of b; otherwise what it remembers of c is of another time.
	Next(c int, b []byte, begun bool) (m codec.Message, size int, err error)
	// Part is how many bytes of the answers b a client must read before it sees the rest, or
	// 0 when it may read them in any way.
	Part(b []byte) int
}

// Translator is the Wire of a protocol that is not distcache's: Next makes a request of
// distcache's out of what a client sends, in memory of its own, and answers are translated back.
// A message without a Wire is no request for dc_server; Begin tells what it is. A Front with a
// Translator is Ordered, and looks at one request at a time.
type Translator interface {
	Wire
	// Opened and Closed tell that a client came, and left.
	Opened(c int)
	Closed(c int)
	// Begin opens the request that Next has found last, as a. Until Done, Undo or the next call
	// of Begin nothing else has changed. Where it returns Wait, it took nothing.
	Begin(a Asker) Step
	// Local appends the answer to a, for which Begin returned Local.
	Local(a Asker, dst []byte) []byte
	// Undo forgets a, which Begin took: Next is asked again.
	Undo(a Asker)
	// Done tells that what Next has found is dealt with. It reports whether the client is to be
	// closed once its requests are answered.
	Done(c int) (last bool)
	// Wipe forgets what Next has found last, whatever became of it: sessions and their IDs are secrets.
	Wipe()
	// Outcome tells what the answer wire, which dc_server or the agent gave to a, means.
	Outcome(a Asker, wire []byte) Outcome
	// Replace gives the two requests for which Outcome returned Again. They live until the next
	// call.
	Replace(a Asker) (remove, add codec.Message)
	// Answer appends the answer to a, for which Outcome returned Final, and forgets a.
	Answer(a Asker, dst, wire []byte) []byte
}

// Step is what to do with what a client sent.
type Step uint8

// The steps.
const (
	Nothing Step = iota // it is dropped
	Wait                // it must wait for requests that are open
	Local               // it is answered here
	Ask                 // it is requested
)

// Outcome is what an answer means for the request of a client.
type Outcome uint8

// The outcomes.
const (
	Stale Outcome = iota // the request has its answer
	Early                // another answer follows
	Again                // the session is there: it is to be removed, and added
	Final
)

// Distcache is distcache's own protocol (docs/PROTOCOL.md). A request is a view of the
// client's bytes: nothing is copied.
type Distcache struct {
	partial []codec.Assembler // by client: what is known of the request whose beginning has come
}

// NewDistcache makes the Wire of one Front.
func NewDistcache() *Distcache { return &Distcache{} }

// Name is “distcache”.
func (w *Distcache) Name() string { return "distcache" }

// Next cuts the first message off b.
func (w *Distcache) Next(c int, b []byte, begun bool) (m codec.Message, size int, err error) {
	var a codec.Assembler
	if begun {
		a = w.partial[c]
	}
	m, err = a.Next(b)
	switch {
	case err == codec.ErrShort:
		w.remember(c, a)
	case err != nil && looksLikeTLS(b):
		err = errTLS
	}
	return m, len(m.Wire), err
}

// errTLS is the reason why a client is closed that began a TLS handshake.
var errTLS = errors.New("the client speaks TLS, and this address does not")

// looksLikeTLS reports whether b begins as a handshake record of TLS does.
func looksLikeTLS(b []byte) bool { return len(b) >= 2 && b[0] == 22 && b[1] == 3 }

func (w *Distcache) remember(c int, a codec.Assembler) {
	for len(w.partial) <= c {
		w.partial = append(w.partial, make([]codec.Assembler, c+1-len(w.partial))...)
	}
	w.partial[c] = a
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
