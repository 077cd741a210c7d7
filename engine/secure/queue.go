package secure

import (
	"crypto/tls"
	"runtime"
)

// Queue computes the handshakes of a server's loop. Computing one takes about a millisecond, and the loop must not wait
// for many of these: so the loop releases one step at a time, and the next one only in a later turn. A handshake whose
// client has sent nothing is not in the way.
//
//	loop goroutine                              goroutine of a handshake
//	──────────────                              ────────────────────────
//	Handshake.Readable ─▶ FIFO
//	later turn: read its ciphertext ─ granted ─▶ crypto/tls computes
//	send what it wrote ◀──────────────── Post ── it wants more, or it is done
//	Handshake's changed is called
//
// The goroutine sees memory alone: only the loop uses the descriptor, and may close it at any time. All methods are called
// on the loop goroutine.
type Queue struct {
	post    func(func()) error // Loop.Post
	config  func() *tls.Config
	shared  *Shared
	waiting []*Handshake // their clients have sent something
	busy    *Handshake   // it computes; nil: none
	posted  bool         // step is posted
	step    func()       // bound once
}

// NewQueue makes an empty Queue. config gives the configuration of the next handshake, post runs functions on the loop
// goroutine in a later turn.
func NewQueue(post func(func()) error, config func() *tls.Config, shared *Shared) *Queue {
	q := &Queue{post: post, config: config, shared: shared}
	q.step = q.release
	return q
}

// Begin makes the handshake of the client on the non-blocking fd. changed is called on the loop goroutine whenever the
// handshake wants ciphertext again, and when it is done.
func (q *Queue) Begin(fd int, changed func()) *Handshake {
	s := newSession(Accepted)
	s.fd, s.shared = fd, q.shared
	h := &Handshake{queue: q, session: s, changed: changed, granted: make(chan struct{}, 1), quit: make(chan struct{})}
	s.wire.handshake = (*memory)(h)
	config := strict(q.config())
	config.GetConfigForClient = s.hello
	s.tls = tls.Server(&s.wire, config)
	return h
}

// strict is the configuration of every connection: TLS 1.3 alone, no tickets, which nobody would use, and records that are
// as large as what is written, so that one request is one record.
func strict(config *tls.Config) *tls.Config {
	c := config.Clone()
	c.MinVersion, c.SessionTicketsDisabled, c.DynamicRecordSizingDisabled = tls.VersionTLS13, true, true
	return c
}

// schedule has release called in a later turn, if there is something to release.
func (q *Queue) schedule() {
	if q.posted || q.busy != nil || len(q.waiting) == 0 {
		return
	}
	q.posted = q.post(q.step) == nil // else the loop has ended
}

// release grants the next step to one handshake.
func (q *Queue) release() {
	q.posted = false
	for q.busy == nil && len(q.waiting) > 0 {
		h := q.waiting[0]
		q.waiting = q.waiting[1:]
		if h.state == queued && h.take() {
			q.busy = h
			// With one processor the goroutine would else wait until the loop sleeps.
			runtime.Gosched()
		}
	}
	q.schedule()
}

// reported notes that h computes no more.
func (q *Queue) reported(h *Handshake) {
	if q.busy == h {
		q.busy = nil
	}
	q.schedule()
}
