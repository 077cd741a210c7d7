package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"golang.org/x/sys/unix"
)

// watchEnd is how long the end of a daemon waits for a socket that is being made anew. That
// takes a millisecond, and longer only where a mount hangs.
const watchEnd = time.Second

// sockets are the listening sockets of a daemon, in the order of -listen. While it runs, those
// with a file are watched, each by a goroutine, and exchanged for new ones when the file is gone.
type sockets struct {
	mu    sync.Mutex // of all and ended, once the watches run
	all   []*listen.Socket
	ended bool // no more are exchanged

	renewing sync.Mutex // held while one is made: that sets the umask of the process
	watches  sync.WaitGroup
	quit     chan struct{} // ends the watches
	quitOnce sync.Once
}

// watch begins to watch. renew exchanges a socket.
func (s *sockets) watch(renew func(n int) (*listen.Socket, error)) {
	for n, socket := range s.all {
		if socket.Adopted || socket.Kind() != address.Unix {
			continue
		}
		w := &socketWatch{check: socket.Checker()}
		w.renew = func() error {
			fresh, err := renew(n)
			if err == nil {
				w.check = fresh.Checker()
			}
			return err
		}
		s.watches.Go(func() { w.run(s.quit) })
	}
}

// stopWatching ends the watches soon. Any goroutine may call it, more than once.
func (s *sockets) stopWatching() { s.quitOnce.Do(func() { close(s.quit) }) }

// end removes the files, and returns why it could not.
func (s *sockets) end() (failures []error) {
	s.stopWatching()
	stopped := make(chan struct{})
	go func() { s.watches.Wait(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(watchEnd):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, socket := range s.all {
		if err := socket.Unlink(); err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

// exchange puts fresh in the place of the nth socket, unless the daemon ends.
func (s *sockets) exchange(n int, fresh *listen.Socket) (old *listen.Socket, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, errEnding
	}
	old, s.all[n] = s.all[n], fresh
	return old, nil
}

// share returns a descriptor of the socket for each of so many reactors, because each closes
// its own at the end. The first one takes over the socket's.
func share(socket *listen.Socket, reactors int) ([]int, error) {
	fds := []int{socket.FD}
	for len(fds) < reactors {
		own, err := unix.FcntlInt(uintptr(socket.FD), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(fds[1:])
			return nil, err
		}
		fds = append(fds, own)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// renew makes the file of the nth socket anew, and has each reactor accept there. Those that
// have connected to the old socket are accepted. The caller is the watch of the socket.
func (d *running) renew(n int) (*listen.Socket, error) {
	d.sockets.renewing.Lock()
	defer d.sockets.renewing.Unlock()
	fresh, err := d.sockets.all[n].Again()
	if err != nil {
		return nil, err
	}
	fds, err := share(fresh, len(d.reactors))
	if err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	old, err := d.sockets.exchange(n, fresh)
	if err != nil {
		closeAll(fds[1:])
		return nil, errors.Join(err, fresh.Close())
	}
	d.complain(old.Unlink()) // which finds nothing to remove, and closes the directory
	for i, r := range d.reactors {
		if r.loop.Post(func() { d.move(r, n, fds[i], fresh) }) != nil {
			_ = unix.Close(fds[i])
		}
	}
	return fresh, nil
}

// move has the reactor accept from fd, a descriptor of fresh, instead of its nth listening socket. It runs on the loop.
func (d *running) move(r *reactor, n, fd int, fresh *listen.Socket) {
	if r.draining {
		_ = unix.Close(fd)
		return
	}
	next, err := d.newAcceptor(r, fd, n, fresh)
	if err != nil {
		slog.Warn("an event loop cannot accept clients from the new socket", "reason", err)
		r.loop.Close(fd)
		return
	}
	old := r.acceptors[n]
	old.stop()
	next.listener.Refused += old.listener.Refused // totals of -metrics do not fall
	next.listener.Full += old.listener.Full
	next.listener.Denied += old.listener.Denied
	r.acceptors[n] = next
}

// errEnding is returned by socketWatch.renew when the daemon ends.
var errEnding = errors.New("the daemon ends")

// socketWatch looks whether clients still find a listening socket at its path. A socket file
// that was removed or renamed is created again; the file of another process there is left alone.
// Connected clients are not affected.
type socketWatch struct {
	check func() error // listen.Socket.Checker
	renew func() error // creates the file again, and changes check

	lost  string // the reason that was logged and persists
	final bool   // renew is not permitted, and is not tried again until the file is back
}

// run looks every few seconds until quit is closed. It has a goroutine of its own: where the
// mount of the socket file hangs, only this waits, and no client does.
func (w *socketWatch) run(quit <-chan struct{}) {
	pause := time.NewTicker(watchBeat)
	defer pause.Stop()
	for {
		select {
		case <-quit:
			return
		case <-pause.C:
		}
		err := w.check()
		select {
		case <-quit: // the end of the daemon removes the file
			return
		default:
			w.act(err)
		}
	}
}

// act makes a file that is gone anew, and logs each change once. After -user the path may be
// out of reach, which is not logged.
func (w *socketWatch) act(err error) {
	switch {
	case errors.Is(err, listen.ErrGone):
		if !w.final {
			w.makeAnew(err)
		}
	case errors.Is(err, listen.ErrReplaced):
		w.tell("new clients cannot connect; restart to listen there again", err)
	case err == nil && w.lost != "":
		w.lost, w.final = "", false
		slog.Info("new clients can connect again")
	}
}

func (w *socketWatch) makeAnew(gone error) {
	err := w.renew()
	w.final = listen.IsFinal(err)
	switch {
	case errors.Is(err, errEnding):
	case err == nil:
		w.lost = ""
		slog.Warn("socket file recreated: new clients can connect again", "reason", gone)
	case w.final:
		w.tell("new clients cannot connect; restart to listen there again",
			fmt.Errorf("%w, and this process is not permitted to recreate it: %w", gone, err))
	default:
		w.tell("new clients cannot connect; trying again to create the socket file", fmt.Errorf("%w: %w", gone, err))
	}
}

// tell logs a reason, unless it is the same as before.
func (w *socketWatch) tell(message string, reason error) {
	if text := reason.Error(); text != w.lost {
		w.lost = text
		slog.Warn(message, "reason", text)
	}
}
