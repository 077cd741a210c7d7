package poll

import (
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// soon bounds what takes no time but on a machine that is busy with something else.
const soon = time.Minute

type handlerFunc func(ev Events)

func (h handlerFunc) Ready(ev Events) { h(ev) }

// running is a Poller whose Run has its own goroutine.
type running struct {
	*Poller
	t     testing.TB
	ended chan error // gets what Run returns
}

// run opens a Poller and runs it until the test ends, when Run must return nil.
func run(t testing.TB, turnEnd func()) *running {
	t.Helper()
	return runWith(t, turnEnd, func(*Poller) error { return nil })
}

// runWith is run, with what is to be called before.
func runWith(t testing.TB, turnEnd func(), before func(*Poller) error) *running {
	t.Helper()
	if turnEnd == nil {
		turnEnd = func() {}
	}
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: turnEnd})
	if err != nil {
		t.Fatal(err)
	}
	if err := before(p); err != nil {
		t.Fatal(err)
	}
	r := &running{Poller: p, t: t, ended: make(chan error, 1)}
	go func() { r.ended <- p.Run() }()
	t.Cleanup(func() {
		_ = r.Stop() // ErrStopped where the test did
		if err := r.wait(); err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return r
}

// wait gives what Run returned, however often it is asked.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(soon):
		r.t.Fatalf("Run has not returned within %v", soon)
		return nil
	}
}

// do runs fn on the loop goroutine and waits for it.
func (r *running) do(fn func()) {
	r.t.Helper()
	done := make(chan struct{})
	if err := r.Post(func() { defer close(done); fn() }); err != nil {
		r.t.Fatalf("Post: %v", err)
	}
	receive(r.t, done, "posted function")
}

// receive waits for c.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("got no %s within %v", what, soon)
		panic("unreachable")
	}
}

// watch attaches fd and fails the test when it cannot be watched. Loop goroutine only.
func (r *running) watch(fd int, want Interest, h handlerFunc) {
	err := r.Attach(fd, h)
	if err == nil {
		err = r.Watch(fd, want)
	}
	if err != nil {
		r.t.Errorf("watch descriptor %d for %d: %v", fd, want, err)
	}
}

// ends is the two ends of a connection: the test's own, which blocks for soon at most,
// and the one for the Poller, which does not block.
type ends struct{ own, polled int }

// pair makes a connection. Its polled end is closed by the Poller, if the test makes it
// do so, or at the end of the test.
func pair(t testing.TB) ends {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return prepare(t, ends{own: fds[0], polled: fds[1]})
}

// tcpPair makes a connection over TCP.
func tcpPair(t testing.TB) ends {
	t.Helper()
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ln)
	e := ends{own: -1}
	at := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	steps := []func() error{
		func() error { return unix.Bind(ln, at) },
		func() error { return unix.Listen(ln, 1) },
		func() (err error) { at, err = unix.Getsockname(ln); return err },
		func() (err error) {
			e.own, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			return err
		},
		func() error { return unix.Connect(e.own, at) },
		func() (err error) { e.polled, _, err = unix.Accept4(ln, unix.SOCK_CLOEXEC); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return prepare(t, e)
}

func prepare(t testing.TB, e ends) ends {
	t.Helper()
	timeout := unix.NsecToTimeval(soon.Nanoseconds())
	if err := unix.SetsockoptTimeval(e.own, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(e.polled, true); err != nil {
		t.Fatal(err)
	}
	return e
}

// send writes text from the test's end.
func (e ends) send(t testing.TB, text string) {
	t.Helper()
	if n, err := unix.Write(e.own, []byte(text)); n != len(text) || err != nil {
		t.Fatalf("send: got %d, %v, want %d, nil", n, err, len(text))
	}
}

// read reads from the test's end, which a signal does not interrupt.
func (e ends) read(b []byte) (int, error) {
	for {
		n, err := unix.Read(e.own, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// closed reports whether the test's end sees the end of the stream now.
func (e ends) closed() bool {
	n, _, err := unix.Recvfrom(e.own, make([]byte, 1), unix.MSG_DONTWAIT)
	return n == 0 && err == nil
}

func (e ends) close() {
	_ = unix.Close(e.own)
	_ = unix.Close(e.polled)
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	kit.Wait(t, soon, what, done)
}
