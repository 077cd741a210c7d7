package upstream

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

const (
	// AttemptTimeout is how long an attempt may take, from resolving the name to the
	// answered probe.
	AttemptTimeout = 2 * time.Second
	// SilentTimeouts is how many request timeouts dc_server may be silent with requests
	// in flight before the connection counts as lost.
	SilentTimeouts = 3
	// SilentFloor is the least time of silence after which the connection counts as lost. TCP
	// sends a lost packet again after 200 ms and more: a small Timeout must not end a
	// connection that only waits for that.
	SilentFloor = 500 * time.Millisecond
	// KeepAlive is how long an idle connection is trusted. Then the Link sends a probe, so
	// that it finds a dead server before a client has to wait for it.
	KeepAlive = 5 * time.Second
	// ReadBuffer is the size of the buffer for answers, in bytes: room for a burst of them,
	// and for more than the largest.
	ReadBuffer = 256 << 10
)

// Link is the connection to dc_server: it connects, probes, notices when the server has
// gone, and connects again.
type Link struct {
	config    Config
	mux       *Mux
	transport Transport
	watcher   Watcher
	silence   time.Duration // how long dc_server may be silent with requests in flight

	state     State
	attemptAt time.Duration // when the last attempt began
	retryAt   time.Duration // while Down: when the next one begins
	retry     time.Duration // the time from the last attempt to the next
	heard     time.Duration // when bytes came last
	looked    time.Duration // when the last probe of an idle connection was due
	blocked   bool          // the transport does not take more now
	closing   bool
	strayed   bool // Stray has been called
	read      int  // how many bytes the last read took
	more      bool // it filled the buffer

	assembler codec.Assembler
	in        []byte // what has been read and not yet been delivered; nil before the first connection
	probe     codec.Message
	probeWire []byte
}

// NewLink makes a Link that is Down until Start.
func NewLink(config Config, mux *Mux, t Transport, w Watcher) *Link {
	silence := deadline.Never
	if config.Timeout != deadline.Never {
		silence = max(SilentTimeouts*config.Timeout, SilentFloor)
	}
	return &Link{
		config: config, mux: mux, transport: t, watcher: w, silence: silence,
		retryAt: deadline.Never, retry: min(FirstRetry, config.Retry),
	}
}

// State is where the link stands.
func (l *Link) State() State { return l.state }

// Start begins the first attempt.
func (l *Link) Start(now time.Duration) { l.dial(now) }

// Stop ends the connection for good.
func (l *Link) Stop(now time.Duration) {
	l.closing = true
	l.retryAt = deadline.Never
	l.fail(ErrStopped, now)
	l.mux.Finish(now)
}

// Rest ends the connection, or the attempt. The next attempt begins with Start. What is in flight
// is answered DISCONNECTED, and the memory for requests and answers is freed.
func (l *Link) Rest(now time.Duration) {
	l.fail(ErrStopped, now)
	l.retryAt = deadline.Never
	l.mux.forgetWhenDone()
	l.in = nil
}

// Resting reports whether no attempt will begin without Start.
func (l *Link) Resting() bool { return l.state == Down && l.retryAt == deadline.Never }

// Stopped reports whether Stop has been called.
func (l *Link) Stopped() bool { return l.closing }

// Connected tells that the transport is connected.
func (l *Link) Connected(now time.Duration) {
	l.enter(Probing, nil, now)
	l.heard = now
	l.assembler = codec.NewAssembler(codec.Response)
	if l.in == nil {
		l.in = make([]byte, 0, ReadBuffer)
	}
	l.in = l.in[:0]
	l.blocked = false
	l.mux.forgetting = false
	l.newProbe()
	n, err := l.transport.Write(l.probe.Wire)
	if err == nil && n < len(l.probe.Wire) {
		err = io.ErrShortWrite // a new connection that does not even take a probe
	}
	if err != nil {
		l.fail(err, now)
		return
	}
	l.mux.figures.Link.Sent += uint64(n)
}

// Broken tells that the attempt failed or the connection ended.
func (l *Link) Broken(why error, now time.Duration) {
	if l.state == Probing && why == ErrClosed {
		why = ErrProbeClosed
	}
	l.fail(why, now)
}

// Buffer is where the transport reads to; it is never empty.
func (l *Link) Buffer() []byte { return l.in[len(l.in):cap(l.in)] }

// Received tells of n bytes that were read into Buffer.
func (l *Link) Received(n int, now time.Duration) {
	l.heard = now
	in := l.in[:len(l.in)+n]
	l.in = l.in[:0]
	l.read, l.more = n, len(in) == cap(in)
	rest := in
	l.mux.figures.Link.Received += uint64(n)
	for len(rest) > 0 {
		m, err := l.assembler.Next(rest)
		if err == codec.ErrShort {
			break
		}
		if err == nil && l.state == Probing {
			err = l.probed(m, now)
		} else if err == nil {
			err = l.mux.Deliver(m, now)
		}
		if l.mux.Counters.Unsolicited > 0 && !l.strayed {
			l.tellStray()
		}
		if err != nil && l.state == Probing && err != ErrProbe {
			err = fmt.Errorf("%w (%w)", ErrProbe, err)
		}
		if err != nil {
			l.fail(err, now)
			break
		}
		rest = rest[len(m.Wire):]
	}
	if l.state == Down {
		rest = nil
	}
	l.in = in[:copy(in, rest)]
	clear(in[len(l.in):]) // sessions are secrets
}

// LastRead gives, once after each read, how many bytes it took, and whether it filled the
// buffer. The bytes behind it may answer requests whose time is up.
func (l *Link) LastRead() (n int, more bool) {
	n, more = l.read, l.more
	l.read, l.more = 0, false
	return n, more
}

// Writable tells that the transport takes bytes again.
func (l *Link) Writable(now time.Duration) {
	l.blocked = false
	l.Flush(now)
}

// Flush writes what the turn has gathered.
func (l *Link) Flush(now time.Duration) {
	if l.state != Up || l.blocked {
		return
	}
	b := l.mux.batch.unsent()
	if len(b) == 0 {
		return
	}
	n, err := l.transport.Write(b)
	if err != nil {
		l.fail(err, now)
		return
	}
	l.blocked = n < len(b)
	l.mux.figures.Link.Batches.Observe(l.mux.batch.added)
	l.mux.batch.wrote(n)
	l.mux.figures.Link.Sent += uint64(n)
}

// Deadline is when Expire is to be called next.
func (l *Link) Deadline() time.Duration {
	switch l.state {
	case Down:
		return l.retryAt
	case Up:
		switch {
		case l.mux.Unanswered() == 0:
			return max(l.heard, l.looked) + KeepAlive
		case l.silence == deadline.Never:
			return deadline.Never
		}
		// The silence counts from the last byte, or from when answers began to be owed if that was later.
		return max(l.mux.busySince, l.heard) + l.silence
	}
	return l.attemptAt + AttemptTimeout
}

// Expire does what is due.
func (l *Link) Expire(now time.Duration) {
	switch {
	case now < l.Deadline():
	case l.state == Down:
		l.dial(now)
	case l.state == Connecting:
		l.fail(ErrAttemptTimeout, now)
	case l.state == Probing:
		l.fail(ErrProbeTimeout, now)
	case l.mux.Unanswered() > 0:
		l.fail(ErrSilent, now)
	default: // a server that owes nothing has been silent: does it still answer?
		l.looked = now
		l.newProbe()
		_ = l.mux.submit(own, Owner{}, &l.probe, now) // no room: requests still wait to be written, and the next look follows
	}
}

// probed takes the first answer of a connection. It must be that of the probe.
func (l *Link) probed(m codec.Message, now time.Duration) error {
	s, err := codec.ParseStatus(m)
	if err != nil || m.UID != l.probe.UID || m.Op != l.probe.Op || s != codec.StatusOK && s != codec.StatusNotOK {
		return ErrProbe
	}
	l.enter(Up, nil, now)
	return nil
}

// tellStray calls Stray, once.
func (l *Link) tellStray() {
	l.strayed = true
	if l.config.Stray != nil {
		l.config.Stray()
	}
}

func (l *Link) dial(now time.Duration) {
	l.attemptAt = now
	l.retryAt = deadline.Never
	l.enter(Connecting, nil, now)
	l.transport.Dial()
}

// fail is the only way to Down. The first error wins, and everything in flight is answered.
func (l *Link) fail(why error, now time.Duration) {
	if l.state == Down {
		return
	}
	from := l.state
	l.transport.Close()
	clear(l.in)
	l.in = l.in[:0]
	l.state = Down
	l.retryAt = deadline.Never
	if from == Up && now-l.attemptAt >= l.config.Retry {
		l.retry = min(FirstRetry, l.config.Retry)
	}
	if why != ErrStopped {
		l.planRetry(from, now)
	}
	l.mux.Lost(now)
	l.watcher.LinkChanged(from, Down, why, now)
}

// FirstRetry is the time from the first attempt to the next. It doubles with each, up to
// Config.Retry: a dc_server that starts at the same time, or again, is found soon.
const FirstRetry = 100 * time.Millisecond

// LossJitter is the longest time from the loss of a connection to the first attempt after it. That is chosen at random: all
// agents of a dc_server that ends lose their connections at the same instant. It is at most a quarter of Config.Timeout,
// for requests may wait for the attempt, and at most Config.Retry.
const LossJitter = 50 * time.Millisecond

// planRetry sets the time of the next attempt. A connection that lasted for Config.Retry is replaced within LossJitter, and
// the times between attempts start from FirstRetry again.
func (l *Link) planRetry(from State, now time.Duration) {
	l.retryAt = max(now, l.attemptAt+l.config.jittered(l.retry))
	if from == Up {
		l.retryAt = max(l.retryAt, now+l.config.lossJitter())
	}
	l.retry = min(2*l.retry, l.config.Retry)
}

func (l *Link) enter(to State, why error, now time.Duration) {
	from := l.state
	l.state = to
	l.watcher.LinkChanged(from, to, why, now)
}

// newProbe makes the next probe: a HAVE of a marked and random ID under a random uid.
func (l *Link) newProbe() {
	var random [codec.ProbeIDLen + 4]byte
	l.config.Random(random[:])
	copy(random[:], codec.ProbeMark)
	uid := binary.BigEndian.Uint32(random[codec.ProbeIDLen:])
	l.probeWire = codec.AppendMessage(l.probeWire[:0], codec.Request, uid, codec.OpHave, random[:codec.ProbeIDLen])
	l.probe = codec.Message{Wire: l.probeWire, UID: uid, Op: codec.OpHave, PayloadLen: codec.ProbeIDLen}
}

// jittered shortens d by up to a fifth, at random, so that the agents of a fleet do not all
// reconnect at the same time.
func (c *Config) jittered(d time.Duration) time.Duration { return d - c.part(d/5) }

// lossJitter chooses the time from the loss of a connection to the next attempt.
func (c *Config) lossJitter() time.Duration { return c.part(min(LossJitter, c.Timeout/4, c.Retry)) }

// part is a part of d, chosen at random.
func (c *Config) part(d time.Duration) time.Duration {
	var random [8]byte
	c.Random(random[:])
	const steps = 1 << 16
	return time.Duration(binary.BigEndian.Uint64(random[:])%steps) * d / steps
}
