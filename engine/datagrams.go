package engine

import (
	"log/slog"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/poll"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

const (
	// DatagramRoom is what a socket of Datagrams keeps of what has not been read, in bytes with the
	// kernel's overhead. The kernel drops what comes when it is full.
	DatagramRoom = 208 << 10
	// datagramsKept is more than so many bytes have: each takes 768 at least.
	datagramsKept = DatagramRoom / 512
	// datagramsPerTurn bounds how long a flood of datagrams keeps the loop from its clients.
	datagramsPerTurn = 64
)

// DatagramHandler takes datagrams.
type DatagramHandler interface {
	// Datagram takes b, which lives until Datagram returns. came is the earliest time at which it can
	// have come. Datagrams over the size that was asked for have one byte more than that.
	Datagram(from socket.Peer4, b []byte, came, now time.Duration)
}

// Datagrams receives datagrams from a UDP socket and sends answers.
type Datagrams struct {
	loop    *Loop
	fd      int
	handler DatagramHandler
	buf     []byte
	age     age
	rest    time.Duration // when reading goes on after an error; else deadline.Never
	warnAt  time.Duration // no warning before this
}

// ServeDatagrams starts to read datagrams of up to size bytes from the non-blocking UDP socket fd.
// After an error fd is attached.
func (l *Loop) ServeDatagrams(fd, size int, h DatagramHandler) (*Datagrams, error) {
	d := &Datagrams{loop: l, fd: fd, handler: h, buf: make([]byte, size+1), rest: deadline.Never}
	if err := l.poller.Attach(fd, d); err != nil {
		return nil, err
	}
	l.Schedule(d)
	return d, nil
}

// Ready reads datagrams.
func (d *Datagrams) Ready(poll.Events) {
	now := d.loop.Now()
	d.age.begin(now)
	for range datagramsPerTurn {
		n, from, err := socket.Receive(d.fd, d.buf)
		switch err {
		case nil:
			d.handler.Datagram(from, d.buf[:n], d.age.next(now), now)
			clear(d.buf[:n]) // it may be a session
		case unix.EAGAIN:
			d.age.drained()
			return
		default:
			d.pause(err, now)
			return
		}
	}
}

// Send sends a datagram. It reports false when the system does not take it now.
func (d *Datagrams) Send(to socket.Peer4, b []byte) bool { return socket.Send(d.fd, b, to) == nil }

// pause lets reading rest: an error that lasts would make the loop spin.
func (d *Datagrams) pause(why error, now time.Duration) {
	if now >= d.warnAt {
		slog.Warn("reading datagrams paused", "reason", why)
		d.warnAt = now + oddityPause
	}
	if err := d.loop.Watch(d.fd, poll.None); err == nil {
		d.rest = now + acceptPause
	}
}

// Deadline is when reading goes on after a rest.
func (d *Datagrams) Deadline() time.Duration { return d.rest }

// Expire ends the rest.
func (d *Datagrams) Expire(now time.Duration) {
	d.rest = deadline.Never
	if err := d.loop.Watch(d.fd, poll.Read); err != nil {
		d.rest = now + acceptPause
	}
}

// age tells when a datagram came at the earliest, without asking the kernel. The socket was empty at
// the start of the first turn that found some. While it is not read empty, a datagram came after the one
// that was read datagramsKept before: so many are never in the socket.
type age struct {
	behind       bool // the socket has not been read empty
	older, newer time.Duration
	read         int // datagrams since newer
}

// begin begins a turn.
func (a *age) begin(now time.Duration) {
	if !a.behind {
		*a = age{behind: true, older: now, newer: now}
	}
}

// next is when the next datagram came at the earliest.
func (a *age) next(now time.Duration) time.Duration {
	if a.read++; a.read > datagramsKept {
		a.older, a.newer, a.read = a.newer, now, 1
	}
	return a.older
}

func (a *age) drained() { a.behind = false }
