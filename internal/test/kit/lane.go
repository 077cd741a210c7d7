package kit

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// maxParcels is how many reads a lane holds between its ends. When it is full the lane
// reads no more, and the sender fills what the kernel buffers, as on a real way.
const maxParcels = 64

// Lane is one direction of a Proxy.
type Lane struct {
	mu      sync.Mutex
	way     way
	changed chan struct{} // closed, and made anew, when way changes
}

// way is what a lane does at a time. The zero way passes all on at once.
type way struct {
	chunks  []int
	gap     time.Duration
	delay   time.Duration
	paused  bool
	swallow bool
	shut    bool // the end of the stream was sent in place of the rest
	resetAt int  // bytes after which the connection is reset; 0: never
	flipAt  int  // the byte that is changed, counted from 1; 0: none
}

// parcel is what one read gave.
type parcel struct {
	bytes   []byte
	arrived time.Time
}

func newLane() *Lane { return &Lane{changed: make(chan struct{})} }

// Chunks passes bytes on in writes of these sizes, over and over. None: as they come.
func (l *Lane) Chunks(sizes ...int) { l.set(func(w *way) { w.chunks = sizes }) }

// Gap waits that long after each write.
func (l *Lane) Gap(d time.Duration) { l.set(func(w *way) { w.gap = d }) }

// Delay passes each byte on that long after it came, as a long way does.
func (l *Lane) Delay(d time.Duration) { l.set(func(w *way) { w.delay = d }) }

// Pause passes nothing on, and loses nothing, until Resume.
func (l *Lane) Pause() { l.set(func(w *way) { w.paused = true }) }

// Resume ends Pause, Swallow and, for connections to come, HalfClose. What was lost
// stays lost.
func (l *Lane) Resume() { l.set(func(w *way) { w.paused, w.swallow, w.shut = false, false, false }) }

// Swallow is a black hole: what comes is taken and lost, also the end of a stream.
func (l *Lane) Swallow() { l.set(func(w *way) { w.swallow = true }) }

// HalfClose sends the end of the stream, and loses what is under way and what comes.
func (l *Lane) HalfClose() { l.set(func(w *way) { w.shut = true }) }

// ResetAfter ends each connection with an RST when n of its bytes have been passed on,
// counted from its beginning. 0: never.
func (l *Lane) ResetAfter(n int) { l.set(func(w *way) { w.resetAt = n }) }

// Flip changes a bit of the n-th byte of each connection, counted from 1. 0: of none.
func (l *Lane) Flip(n int) { l.set(func(w *way) { w.flipAt = n }) }

func (l *Lane) set(change func(*way)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.way)
	close(l.changed)
	l.changed = make(chan struct{})
}

// now gives what the lane does, and what tells that this has changed.
func (l *Lane) now() (way, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.way, l.changed
}

// pass runs the lane for one pair until its stream ends.
func (l *Lane) pass(c *pair, from, to net.Conn) {
	parcels := make(chan parcel, maxParcels)
	var reading sync.WaitGroup
	reading.Go(func() { collect(c, from, parcels) })
	f := &flow{lane: l, pair: c, to: to}
	f.run(parcels)
	reading.Wait()
}

// collect reads until the end of the stream. A connection that was reset is passed on
// as one.
func collect(c *pair, from net.Conn, parcels chan<- parcel) {
	defer close(parcels)
	for {
		b := make([]byte, 16384)
		n, err := from.Read(b)
		if n > 0 {
			select {
			case parcels <- parcel{b[:n], time.Now()}:
			case <-c.over:
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, syscall.ECONNRESET):
			c.end(reset)
			return
		case err != nil:
			c.end(net.Conn.Close)
			return
		}
	}
}

// flow is one direction of one pair of connections on its way out.
type flow struct {
	lane   *Lane
	pair   *pair
	to     net.Conn
	passed int // bytes
	chunk  int // which of the lane's chunk sizes is next
	shut   bool
}

// run passes parcels on until there are no more, then the end of the stream.
func (f *flow) run(parcels <-chan parcel) {
	for {
		w, changed := f.lane.now()
		f.obey(w)
		select {
		case p, ok := <-parcels:
			if !ok {
				f.finish()
				return
			}
			if !f.carry(p) {
				return
			}
		case <-changed:
		case <-f.pair.over:
			return
		}
	}
}

// carry passes one parcel on, and reports whether the connection goes on.
func (f *flow) carry(p parcel) bool {
	for len(p.bytes) > 0 {
		w, ok := f.clear(p.arrived)
		if !ok {
			return false
		}
		n := f.size(w, len(p.bytes))
		if at := w.flipAt - f.passed - 1; at >= 0 && at < n {
			p.bytes[at] ^= 1 << 5
		}
		if !w.swallow && !f.shut {
			if _, err := f.to.Write(p.bytes[:n]); err != nil {
				f.pair.end(net.Conn.Close)
				return false
			}
			f.passed += n
		}
		if w.resetAt > 0 && f.passed >= w.resetAt {
			f.pair.end(reset)
			return false
		}
		p.bytes = p.bytes[n:]
		if w.gap > 0 && !f.wait(w.gap, nil) {
			return false
		}
	}
	return true
}

// clear waits until the lane lets through what arrived then, and gives what it does.
func (f *flow) clear(arrived time.Time) (way, bool) {
	for {
		w, changed := f.lane.now()
		f.obey(w)
		left := time.Until(arrived.Add(w.delay))
		switch {
		case w.paused:
			if !f.wait(time.Hour, changed) {
				return w, false
			}
		case left > 0:
			if !f.wait(left, changed) {
				return w, false
			}
		default:
			return w, true
		}
	}
}

// size is how much of n bytes the next write takes.
func (f *flow) size(w way, n int) int {
	if len(w.chunks) > 0 {
		n = min(n, max(1, w.chunks[f.chunk%len(w.chunks)]))
		f.chunk++
	}
	if w.resetAt > f.passed {
		n = min(n, w.resetAt-f.passed)
	}
	return n
}

// obey sends the end of the stream when the lane was told to, once.
func (f *flow) obey(w way) {
	if w.shut && !f.shut {
		f.shut = true
		_ = closeWrite(f.to)
	}
}

// finish passes the end of the stream on, when the lane lets it.
func (f *flow) finish() {
	w, ok := f.clear(time.Now())
	if !ok || f.shut {
		return
	}
	if w.swallow {
		<-f.pair.over // it is lost too: the other side hears nothing
		return
	}
	f.shut = true
	_ = closeWrite(f.to)
}

// wait waits until the time has passed or changed is closed, and reports false when the
// connection is over before that.
func (f *flow) wait(d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-f.pair.over:
		return false
	}
	return true
}
