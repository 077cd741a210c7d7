package kit

import (
	"net"
	"time"
)

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
