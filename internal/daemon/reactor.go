package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"distcache/codec/address"
	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/service"
	"golang.org/x/sys/unix"
)

// reactor is one event loop, its clients and the App that serves them. Reactors share the
// listening socket and the bound of clients, and nothing else.
type reactor struct {
	app       App
	loop      *engine.Loop
	clients   *engine.Clients
	acceptors []*acceptor    // one for each listening socket
	draining  bool           // its orderly end has begun
	alarm     *service.Alarm // of all reactors; nil: none
	flushLog  func()         // waits until what was logged is written, for a while
	beat      time.Duration  // between two beats of the watchdog
	alive     func()         // called when the loop has answered a beat
}

// newReactor makes a reactor without a listening socket. poolBytes is its part of
// Config.PoolBytes, total the number of clients of all reactors.
func newReactor(app App, poolBytes int, total *atomic.Int64) (*reactor, error) {
	loop, err := engine.NewLoop()
	if err != nil {
		return nil, fmt.Errorf("cannot make the event loop: %w", err)
	}
	// Two pools: clients that do not read must not use up what others need to ask.
	answers, requests := buffer.NewPool(poolBytes), buffer.NewPool(poolBytes)
	r := &reactor{app: app, loop: loop, clients: engine.NewClients(loop, answers)}
	r.clients.CountIn(total)
	handlers, err := app.Open(loop, r.clients, requests)
	if err != nil {
		return nil, err
	}
	for n, handler := range handlers {
		handlers[n] = withFaults(handler)
	}
	r.clients.Serve(handlers...)
	return r, nil
}

// run runs all reactors until each has been stopped. The first runs on the caller's
// goroutine. When one fails, the others are stopped.
func run(reactors []*reactor) error {
	ended := make(chan error, len(reactors))
	for _, r := range reactors[1:] {
		go func() { ended <- r.run(reactors) }()
	}
	err := reactors[0].run(reactors)
	for range reactors[1:] {
		err = errors.Join(err, <-ended)
	}
	return err
}

func (r *reactor) run(all []*reactor) error {
	_ = r.loop.Post(func() { r.app.Start(r.loop.Now()) }) // a loop that has not begun takes what is posted
	err := r.runLoop()
	if err != nil {
		for _, other := range all {
			other.loop.Stop()
		}
	}
	return err
}

// acceptor is one listening socket of a reactor.
type acceptor struct {
	fd       int // the reactor's own descriptor of the socket
	socket   *listen.Socket
	listener *engine.Listener
}

// newAcceptor begins to accept from fd, the reactor's own descriptor of the nth listening socket,
// up to the client limit of all reactors together.
func (d *running) newAcceptor(r *reactor, fd, n int, socket *listen.Socket) (*acceptor, error) {
	listener, err := r.loop.Listen(fd, r.clients, d.config.MaxClients)
	if err != nil {
		return nil, err
	}
	listener.Secure = socket.Kind() == address.TLS
	listener.Shared = len(d.reactors) > 1
	listener.Adopted = socket.Adopted
	listener.Front = d.plan.frontOf(n)
	listener.Pauses = listener.Front > 0
	listener.Access = d.access.Load().Clone()
	return &acceptor{fd: fd, socket: socket, listener: listener}, nil
}

// stop makes the kernel refuse new connections; those in the backlog are still accepted.
// Without the shutdown, clients that connect between the last accept and the close would be
// reset. For TCP there is no such call. A socket that was passed in stays open: the
// connections in its backlog wait for the next process that gets it.
func (a *acceptor) stop() {
	switch {
	case a.socket.Adopted:
		a.listener.Leave()
		return
	case a.socket.Kind() == address.Unix:
		_ = unix.Shutdown(a.fd, unix.SHUT_RD) // at worst some connections are reset
	}
	a.listener.Stop()
}

const (
	// drainTime is how long requests in flight may take to be answered once the daemon
	// is told to stop.
	drainTime = time.Second
	// drainQuiet is how long no request may have been open before the daemon ends: a client
	// that has just connected gets time to ask.
	drainQuiet = 50 * time.Millisecond
	// drainRest is how long the answers to the last requests may take.
	drainRest = 100 * time.Millisecond
	// drainLook is the time between two checks.
	drainLook = 5 * time.Millisecond
)

// drain is the orderly end: it accepts no new clients, and waits until all requests are
// answered.
type drain struct {
	reactor    *reactor
	ends       time.Duration
	quietSince time.Duration
	next       time.Duration
	hungUp     bool // clients are not read from any more, and have been told
}

// drain begins the orderly end.
func (r *reactor) drain() {
	slog.Info("stopping", "clients", r.clients.Len(), "busy", r.app.Busy())
	r.draining = true
	for _, a := range r.acceptors {
		a.stop()
	}
	now := r.loop.Now()
	r.loop.Schedule(&drain{reactor: r, ends: now + drainTime, quietSince: now, next: now + drainLook})
}

// Deadline is the time of the next check.
func (dr *drain) Deadline() time.Duration { return dr.next }

// Expire checks whether requests are still open.
func (dr *drain) Expire(now time.Duration) {
	r := dr.reactor
	if r.app.Busy() > 0 {
		dr.quietSince = now
	}
	dr.next = now + drainLook
	switch {
	case r.clients.Len() > 0 && now < dr.ends && (dr.hungUp || now-dr.quietSince < drainQuiet):
	case !dr.hungUp:
		dr.hungUp, dr.ends = true, now+drainRest
		r.clients.HangUp()
		r.app.Stop(now)
	default:
		r.loop.Stop()
	}
}
