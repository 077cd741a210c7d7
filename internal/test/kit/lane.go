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
