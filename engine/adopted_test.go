package engine

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// adopt makes srv's listening socket one that was passed in, and gives the descriptor of
// another process that has it.
func (srv *server) adopt() int {
	srv.t.Helper()
	other, err := unix.FcntlInt(uintptr(srv.listener.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		srv.t.Fatal(err)
	}
	srv.do(func() { srv.listener.Adopted = true })
	return other
}

// TestF15BlockingListeningSocket: another process that has the listening socket makes it
// blocking. Clients are served as before, and it is non-blocking again.
func TestF15BlockingListeningSocket(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{tcp: network.tcp})
			other := srv.adopt()
			defer unix.Close(other)
			for range 3 {
				if err := unix.SetNonblock(other, false); err != nil {
					t.Fatal(err)
				}
				p := srv.connect()
				p.send("hello")
				p.expect("hello")
				p.close()
				srv.until("non-blocking socket", func() bool {
					flags, err := unix.FcntlInt(uintptr(other), unix.F_GETFL, 0)
					return err == nil && flags&unix.O_NONBLOCK != 0
				})
			}
		})
	}
}

// TestF15OthersRunWhileAcceptWaits: if accept waits all the same, because the other process
// removed the bound too, other goroutines run: one of them is the watchdog.
func TestF15OthersRunWhileAcceptWaits(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	other := srv.adopt()
	defer unix.Close(other)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in a daemon with one loop
	if err := unix.SetsockoptTimeval(other, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(other, false); err != nil {
		t.Fatal(err)
	}
	first := srv.connect()
	beats := make(chan struct{})
	for range 20 {
		time.AfterFunc(time.Millisecond, func() { beats <- struct{}{} })
		receive(t, beats, "beat")
	}
	if err := unix.SetNonblock(other, true); err != nil {
		t.Fatal(err)
	}
	second := srv.connect() // which ends the wait
	for _, p := range []peer{first, second} {
		p.send("hello")
		p.expect("hello")
		p.close()
	}
}

// TestF05AcceptFailsForGood: when each connection fails before it is accepted, or accept
// fails for an unknown reason, accepting rests, and says so once a minute.
func TestF05AcceptFailsForGood(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	ln := srv.listener
	srv.do(func() {
		for _, why := range []error{unix.EPERM, unix.ECONNABORTED, unix.ENOSYS, unix.EINVAL} {
			ln.oddAt = 0
			tries := 1
			for ln.took(-1, why) && tries < 10_000 {
				tries++
			}
			if rest := ln.resumeAt - srv.Now(); tries > failedAccepts || rest > acceptPause || rest < acceptPause-soon {
				t.Errorf("%v: got %d tries and a rest of %v, want at most %d and %v", why, tries, rest, failedAccepts, acceptPause)
			}
			if pause := ln.oddAt - srv.Now(); pause > time.Minute || pause < time.Minute-soon {
				t.Errorf("%v: got the next line in %v, want it in a minute", why, pause)
			}
			ln.Expire(srv.Now())
		}
		// One that fails now and then is none of that.
		for range 10 * failedAccepts {
			ln.failed = 0 // as after one that is accepted
			if !ln.took(-1, unix.ECONNABORTED) {
				t.Error("got a rest after one failure, want none")
			}
		}
		ln.failed = 0
	})
	p := srv.connect()
	p.send("hello")
	p.expect("hello")
	p.close()
}
