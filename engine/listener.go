package engine

import (
	"errors"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/poll"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

const (
	// acceptsPerTurn bounds how long a flood of connects keeps the loop from its clients.
	acceptsPerTurn = 64
	// failedAccepts is how many connections in a row may fail before they are accepted. Then
	// accepting rests: a firewall or a security module may let each of them fail.
	failedAccepts = 32
	// emptyWakes is how often in a row the socket may wake the loop for no connection before
	// accepting rests. It happens to one that shares it with another process.
	emptyWakes = 32
)

// errNobody is the reason why accepting rests when a listening socket keeps waking the
// loop and has no connection to give: a unix socket that was shut down does.
var errNobody = errors.New("the listening socket reports a connection, but there is none to accept")

// errBlocking is the reason of a warning: accept may have waited, and the loop with it.
var errBlocking = errors.New("another process made the listening socket blocking; it is non-blocking again")

// errFull is the reason why clients are refused.
var errFull = errors.New("client limit reached (-maxclients)")

// Listener accepts clients from a listening socket.
type Listener struct {
	loop     *Loop
	clients  *Clients
	fd       int
	max      int64         // how many clients of all loops there may be
	spare    int           // a descriptor in reserve, so that connects get an end when there are no more
	resumeAt time.Duration // while accepting rests, and the loop has ln scheduled; else deadline.Never
	warnAt   time.Duration // no warning about a limit before this
	oddAt    time.Duration // no other warning before this
	deniedAt time.Duration // no warning about Denied before this
	failed   int           // connections in a row that failed before they were accepted
	empty    int           // turns in a row that found no connection
	turn     uint64        // the last one that had a connection
	unix     bool
	tuned    bool // all connections to come have the options of Listen
	refuses  bool // the listening socket has the option by which peers cannot pass descriptors

	// Shared tells that other loops of this process accept from the same socket: that
	// they are faster is nothing to warn of.
	Shared bool
	// Adopted tells that the socket was passed in: another process may have it too, and change
	// it at any time.
	Adopted bool
	// Secure tells that its clients speak TLS. Clients.Secure was called.
	Secure bool
	// Front is which handler of Clients hears of its clients.
	Front uint8
	// Pauses tells that a connection which finds no room is not closed but waits in the backlog: a
	// client that is closed at once may come again without pause.
	Pauses bool
	// Access says which peers of a unix socket are served; nil: all. It is this listener's alone.
	Access *socket.Access
	// Refused counts connections that were closed at once: over max, or out of descriptors.
	Refused uint64
	// Full is how many of Refused were over max.
	Full uint64
	// Denied counts connections that were closed at once because of Access.
	Denied uint64
}

// Listen starts to accept from the non-blocking listening socket fd, up to max clients
// at a time, of all loops that count them together (Clients.CountIn). One more is accepted
// and closed at once, so that it fails rather than hangs. After an error fd is attached.
func (l *Loop) Listen(fd int, cs *Clients, max int) (*Listener, error) {
	ln := &Listener{loop: l, clients: cs, fd: fd, max: int64(max), resumeAt: deadline.Never}
	if err := l.poller.Attach(fd, ln); err != nil {
		return nil, err
	}
	if err := socket.TuneTCP(fd); err != nil {
		return nil, err
	}
	if err := socket.BoundAccept(fd); err != nil {
		return nil, err
	}
	ln.unix = socket.IsUnix(fd)
	ln.refuses = !ln.unix || socket.RefuseRights(fd)
	ln.tuned = !socket.Waiting(fd)
	ln.spare = openSpare()
	return ln, nil
}

// openSpare returns -1 when there is no descriptor to be had.
func openSpare() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Ready accepts.
func (ln *Listener) Ready(poll.Events) {
	full := ln.clients.total.Load() >= ln.max
	if full && ln.clients.makeRoom() {
		return // the descriptor is free at the end of the turn
	}
	if full && ln.Pauses {
		ln.pause(errFull)
		return
	}
	// One connection, unless the turn before had one too: mostly no second is there, and to ask for it
	// is a system call.
	turn, most := ln.loop.poller.Turn(), acceptsPerTurn
	if turn > ln.turn+1 && ln.tuned && !ln.Adopted {
		most = 1
	}
	ln.turn = turn
	accepted := 0
	for accepted < most {
		// The only descriptors left for clients may be those of clients that have gone in this
		// turn, which are free at its end.
		open := ln.clients.total.Load()
		if open < ln.max && open+int64(ln.loop.poller.Dying()) >= ln.max {
			break
		}
		if open >= ln.max && !full {
			break // the next turn looks whether one can go
		}
		if !ln.took(socket.Accept(ln.fd, ln.Adopted)) {
			break
		}
		accepted++
	}
	if ln.empty++; accepted > 0 {
		ln.empty = 0
	}
	if ln.empty == emptyWakes {
		ln.pause(errNobody)
	}
}

// took handles the result of accept. It reports whether another connection may wait.
func (ln *Listener) took(fd int, err error) bool {
	switch err {
	case nil:
		ln.failed = 0
		ln.admit(fd)
		return true
	case unix.EAGAIN:
		ln.tuned = true // all connections from before Listen have been accepted
		if ln.Adopted && socket.Unblock(ln.fd) {
			ln.warnOfOddity(ln.loop.Now(), "accept may have blocked", errBlocking)
		}
		return false
	case unix.ECONNABORTED, unix.EPERM, unix.EPROTO, unix.ENOPROTOOPT, unix.ETIMEDOUT,
		unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENONET:
		if ln.failed++; ln.failed < failedAccepts {
			return true // that connection failed before it was accepted: see accept(2)
		}
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		if !ln.Pauses {
			ln.refuseOne()
		}
	}
	ln.pause(err) // a listening socket that is broken (EINVAL) stays so
	return false
}

// admit makes the accepted fd a client, or ends it.
func (ln *Listener) admit(fd int) {
	wary := ln.mustBeWary(fd)
	var refusal, err error
	if ln.clients.total.Load() >= ln.max {
		ln.Full++
		refusal = errFull
	} else if ln.Secure {
		refusal = ln.clients.security.full()
	}
	if refusal != nil {
		ln.Refused++
		ln.end(fd, wary)
		ln.warn(ln.loop.Now(), "clients are refused", refusal)
		return
	}
	if ln.Access != nil && ln.unix && !ln.admits(fd) {
		ln.end(fd, wary)
		return
	}
	if ln.Secure {
		err = ln.clients.security.adopt(fd)
	} else {
		err = ln.clients.adopt(fd, wary, ln.Front)
	}
	if err != nil {
		ln.Refused++
		ln.pause(err)
	}
}

// mustBeWary reports whether the peer of the accepted fd may pass descriptors. Options of the
// listening socket are inherited by connections that come after. Those in the backlog at the
// time of Listen get them here.
func (ln *Listener) mustBeWary(fd int) bool {
	switch {
	case ln.tuned && ln.refuses:
		return false
	case !ln.unix:
		_ = socket.TuneTCP(fd) // it has been done to the listening socket
		return false
	case ln.refuses:
		socket.RefuseRights(fd) // some may have come already
	}
	socket.ReadInline(fd)
	return true
}

// end closes the accepted fd, which is no client yet.
func (ln *Listener) end(fd int, wary bool) {
	if !wary || socket.ShutDown(fd) {
		_ = unix.Close(fd)
		return
	}
	ln.clients.total.Add(1)
	ln.loop.poller.CloseAside(fd, ln.clients.gone)
}

// refuseOne spends the spare descriptor on the connection that waits longest, which
// sees its end instead of silence.
func (ln *Listener) refuseOne() {
	if ln.spare < 0 {
		return
	}
	_ = unix.Close(ln.spare)
	if fd, err := socket.Accept(ln.fd, false); err == nil {
		ln.Refused++
		ln.end(fd, ln.mustBeWary(fd))
	}
	ln.spare = openSpare()
}

// Stop accepts the connections in the backlog, then closes the listening socket: clients that
// connected before are served, and the kernel refuses later ones. A second Stop does nothing.
func (ln *Listener) Stop() {
	if ln.fd < 0 {
		return
	}
	for range ln.max {
		if !ln.took(socket.Accept(ln.fd, ln.Adopted)) {
			break
		}
	}
	ln.Leave()
}

// Leave closes the listening socket and accepts no more. The connections in the backlog wait
// for another process that has the socket too. A second Leave does nothing.
func (ln *Listener) Leave() {
	if ln.fd < 0 {
		return
	}
	ln.resumeAt = deadline.Never
	// Another process may have the socket too, as with one that systemd passed: closing
	// it here does not take it out of the set then.
	_ = ln.loop.poller.Watch(ln.fd, poll.None)
	if ln.tuned && ln.refuses {
		ln.loop.poller.Close(ln.fd)
	} else { // with the connections in the backlog, and what they have sent
		ln.loop.poller.CloseAside(ln.fd, func() {})
	}
	ln.fd = -1
	ln.loop.Unschedule(ln)
	if ln.spare >= 0 {
		_ = unix.Close(ln.spare)
		ln.spare = -1
	}
}
