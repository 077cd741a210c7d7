package poll

import (
	"encoding/binary"
	"time"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// Timer is one timerfd on the monotonic clock.
type Timer struct {
	fd    int
	fired func()
}

// NewTimer attaches a timer that calls fired on the loop goroutine when it goes off.
func (p *Poller) NewTimer(fired func()) (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, socket.Error("timerfd_create", err)
	}
	t := &Timer{fd: fd, fired: fired}
	p.Attach(fd, t)
	if err := p.Watch(fd, Read); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return t, nil
}

// Set makes the timer go off once, after d; a d of 0 or less is at once.
func (t *Timer) Set(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, d.Nanoseconds()))}
	return socket.Error("timerfd_settime", unix.TimerfdSettime(t.fd, 0, &spec, nil))
}

// Close ends the timer; the Poller's Run must have returned.
func (t *Timer) Close() error { return socket.Error("close", unix.Close(t.fd)) }

// Ready reads the count of expirations, without which a level-triggered set would
// report it for ever.
func (t *Timer) Ready(Events) {
	var count [8]byte
	if _, err := socket.Read(t.fd, count[:]); err != nil {
		return // EAGAIN: it was set anew since
	}
	if binary.NativeEndian.Uint64(count[:]) > 0 {
		t.fired()
	}
}
