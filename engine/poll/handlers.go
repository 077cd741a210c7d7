package poll

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"distcache/engine/socket"

	"github.com/panjf2000/gnet/v2/pkg/logging"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// Events says which operations on a descriptor may succeed now.
type Events uint32

// The masks of Events.
const (
	Readable Events = netpoll.ReadEvents | netpoll.ErrEvents  // a read may return bytes, the end or an error
	Writable Events = netpoll.WriteEvents | netpoll.ErrEvents // a write may succeed or return an error
)

// Interest is the set of events that a descriptor is watched for, level-triggered.
type Interest uint8

// The interests. With None no event is reported, not even an error or a hang-up.
const (
	None      Interest = 0
	Read      Interest = 1
	Write     Interest = 2
	ReadWrite Interest = Read | Write
)

// Handler receives the events of a descriptor.
type Handler interface {
	// Ready is called on the loop goroutine, at most twice a turn. It may close the
	// descriptor, and others too.
	Ready(ev Events)
}

// mailbox holds the functions that other goroutines post to the loop goroutine. It is a
// descriptor of the set like any other: netpoll drains its own queue until it is empty, so
// a goroutine that kept posting there would keep the loop from its descriptors.
type mailbox struct {
	fd int // an eventfd, readable while posted is not empty

	mu     sync.Mutex
	shut   bool     // under mu: fd is closed
	posted []func() // under mu

	taken []func() // of the loop goroutine: the functions that run now
}

func openMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &mailbox{fd: fd}, nil
}

// post appends fn. It returns ErrStopped after close.
func (m *mailbox) post(fn func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut {
		return ErrStopped
	}
	m.posted = append(m.posted, fn)
	if len(m.posted) > 1 {
		return nil // fd is readable already
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := socket.Write(m.fd, one[:])
	return socket.Error("write to eventfd", err)
}

// Ready runs the functions that were posted before it, in order. Those that are posted
// meanwhile wait for the next turn.
func (m *mailbox) Ready(Events) {
	var count [8]byte
	_, _ = socket.Read(m.fd, count[:]) // first: a later post makes fd readable again
	m.mu.Lock()
	m.posted, m.taken = m.taken[:0], m.posted
	m.mu.Unlock()
	for _, fn := range m.taken {
		fn()
	}
	clear(m.taken)
}

// close makes post return ErrStopped, and drops the functions that have not run.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut, m.posted = true, nil
	_ = unix.Close(m.fd) // close of an eventfd reports nothing
}

// Timer is a timerfd on the monotonic clock.
type Timer struct {
	fd    int
	fired func()
}

// NewTimer attaches a timer that calls fired on the loop goroutine when it expires.
func (p *Poller) NewTimer(fired func()) (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, socket.Error("timerfd_create", err)
	}
	t := &Timer{fd: fd, fired: fired}
	if err := p.Attach(fd, t); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return t, nil
}

// Set makes the timer expire once, after d. If d is 0 or less, it expires at once.
func (t *Timer) Set(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, d.Nanoseconds()))}
	return socket.Error("timerfd_settime", unix.TimerfdSettime(t.fd, 0, &spec, nil))
}

// Close frees the timer. The Poller's Run must have returned.
func (t *Timer) Close() error { return socket.Error("close", unix.Close(t.fd)) }

// Ready reads the count of expirations. If it did not, a level-triggered set would report
// the timer for ever.
func (t *Timer) Ready(Events) {
	var count [8]byte
	if _, err := socket.Read(t.fd, count[:]); err != nil {
		return // EAGAIN: Set was called since
	}
	if binary.NativeEndian.Uint64(count[:]) > 0 {
		t.fired()
	}
}

// closer closes descriptors whose close may block, one after the other, on a goroutine that
// ends when there are no more.
type closer struct {
	mu      sync.Mutex
	waiting []closing // under mu
	running bool      // under mu
}

// closing is a descriptor to close, and what to call when it is closed.
type closing struct {
	fd     int
	closed func()
}

func (c *closer) close(p closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, p)
	if !c.running {
		c.running = true
		go c.run()
	}
}

func (c *closer) run() {
	for p, ok := c.next(); ok; p, ok = c.next() {
		_ = unix.Close(p.fd) // close of a socket reports nothing
		p.closed()
	}
}

func (c *closer) next() (p closing, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running, c.waiting = false, nil
		return closing{}, false
	}
	p, c.waiting = c.waiting[0], c.waiting[1:]
	return p, true
}

// redirectLogs replaces gnet's logger, which is global in the process.
var redirectLogs = sync.OnceFunc(func() {
	logging.SetDefaultLoggerAndFlusher(gnetLogger{}, func() error { return nil })
})

// gnetLogger passes netpoll's messages about epoll and eventfd errors to slog.
type gnetLogger struct{}

func (gnetLogger) Debugf(format string, args ...any) { slog.Debug(fmt.Sprintf(format, args...)) }
func (gnetLogger) Infof(format string, args ...any)  { slog.Info(fmt.Sprintf(format, args...)) }
func (gnetLogger) Warnf(format string, args ...any)  { slog.Warn(fmt.Sprintf(format, args...)) }
func (gnetLogger) Errorf(format string, args ...any) { slog.Error(fmt.Sprintf(format, args...)) }
func (gnetLogger) Fatalf(format string, args ...any) { slog.Error(fmt.Sprintf(format, args...)) }
