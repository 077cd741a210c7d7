package poll

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"distcache/internal/test/kit"

	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/sys/unix"
)

// TestP7StopFinishesTheTurn stops in the first of many handlers whose events came together.
func TestP7StopFinishesTheTurn(t *testing.T) {
	const count = 8
	ready, turnEnds := 0, 0
	r := run(t, func() { turnEnds++ })
	var all [count]ends
	r.do(func() {
		for i := range all {
			all[i] = pair(t)
			all[i].send(t, "x")
			r.watch(all[i].polled, Read, func(Events) {
				ready++
				_ = r.Stop()
				_ = r.Watch(all[i].polled, None)
				r.EndTurn()
			})
		}
	})
	if err := r.wait(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if ready != count || turnEnds < 1 || turnEnds > 2 {
		t.Errorf("got %d handlers called and %d ends of turn, want %d, and 1 or 2", ready, turnEnds, count)
	}
	for _, e := range all {
		e.close()
	}
}

// TestStopComesAfterWhatWasPosted: the order of posts and Stop holds, and the turn in which
// the last of them runs has its end.
func TestStopComesAfterWhatWasPosted(t *testing.T) {
	var log []string
	r := run(t, func() { log = append(log, "end of turn") })
	e := pair(t)
	hold := make(chan struct{})
	_ = r.Post(func() { <-hold })
	_ = r.Post(func() {
		log = append(log, "posted")
		_ = r.Attach(e.polled, handlerFunc(func(Events) {}))
		r.Close(e.polled)
	})
	if err := r.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	close(hold)
	if err := r.wait(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if got := strings.Join(log, ", "); got != "posted, end of turn" {
		t.Errorf("got %q, want %q", got, "posted, end of turn")
	}
	if isOpen(e.polled) {
		t.Error("what was closed before the end is still open")
	}
	_ = unix.Close(e.own)
}

// TestStop ends Run from wherever it is called.
func TestStop(t *testing.T) {
	rows := []struct {
		name string
		stop func(r *running)
	}{
		{"another goroutine", func(r *running) { _ = r.Stop() }},
		{"a posted function", func(r *running) { _ = r.Post(func() { _ = r.Stop() }) }},
		{"many at once", func(r *running) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { _ = r.Stop() })
			}
			all.Wait()
		}},
		{"a timer", func(r *running) {
			r.do(func() {
				timer, err := r.NewTimer(func() { _ = r.Stop() })
				if err == nil {
					err = timer.Set(0)
				}
				if err != nil {
					r.t.Error(err)
				}
				r.t.Cleanup(func() { _ = timer.Close() })
			})
		}},
		{"the end of a turn", func(r *running) { _ = r.Post(r.EndTurn) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var r *running
			r = run(t, func() { _ = r.Stop() })
			row.stop(r)
			if err := r.wait(); err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		})
	}
}

func TestStopBeforeRun(t *testing.T) {
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	if err := errors.Join(p.Post(func() { ran = true }), p.Stop()); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(); err != nil || !ran {
		t.Errorf("got %v, ran %v, want nil, true", err, ran)
	}
}

// TestRunLeavesNoDescriptor counts them before and after, with some closed in the last turn.
func TestRunLeavesNoDescriptor(t *testing.T) {
	before := kit.OwnDescriptors(t)
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	timer, err := p.NewTimer(func() {})
	if err != nil {
		t.Fatal(err)
	}
	e := pair(t)
	_ = p.Post(func() {
		_ = p.Stop()
		_ = p.Attach(e.polled, handlerFunc(func(Events) {}))
		p.Close(e.polled)
	})
	if err := p.Run(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if err := errors.Join(timer.Close(), unix.Close(e.own)); err != nil {
		t.Error(err)
	}
	for fd, what := range kit.OwnDescriptors(t) {
		if _, had := before[fd]; !had {
			t.Errorf("descriptor %d (%s) is left", fd, what)
		}
	}
}

// TestP11NothingIsWrittenAfterTheEnd calls everything there is on a Poller that has ended
// while its numbers belong to others.
func TestP11NothingIsWrittenAfterTheEnd(t *testing.T) {
	before := kit.OwnDescriptors(t)
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	timer, err := p.NewTimer(func() {})
	if err != nil {
		t.Fatal(err)
	}
	e := pair(t)
	_ = p.Attach(e.polled, handlerFunc(func(Events) {}))
	var own []int // the Poller's numbers
	for fd := range kit.OwnDescriptors(t) {
		if _, had := before[fd]; !had && fd != e.own && fd != e.polled {
			own = append(own, fd)
		}
	}
	_ = p.Stop()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	_ = timer.Close()

	strangers := occupy(t, own)
	if err := p.Post(func() { t.Error("ran after the end") }); err != ErrStopped {
		t.Errorf("Post: got %v, want ErrStopped", err)
	}
	if err := p.Stop(); err != ErrStopped {
		t.Errorf("Stop: got %v, want ErrStopped", err)
	}
	p.EndTurn()
	if err := p.Watch(e.polled, Read); err != ErrStopped {
		t.Errorf("Watch: got %v, want ErrStopped", err)
	}
	p.Close(e.polled)
	if isOpen(e.polled) {
		t.Error("Close leaves the descriptor open for ever")
	}
	_ = unix.Close(e.own)
	for fd, other := range strangers {
		b := make([]byte, 16)
		if n, err := unix.Read(other, b); err != unix.EAGAIN {
			t.Errorf("descriptor %d, which is not the Poller's any more, was sent %x, %v", fd, b[:max(n, 0)], err)
		}
		_ = unix.Close(fd)
		_ = unix.Close(other)
	}
}

// occupy opens connections until each of the numbers is one's end; it gives the other ends.
func occupy(t *testing.T, numbers []int) map[int]int {
	t.Helper()
	var fds [2]int
	taken := make(map[int]int)
	for _, fd := range numbers {
		if isOpen(fd) {
			t.Fatalf("descriptor %d is not free after the end", fd)
		}
		both, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = both
		// Out of the way first: one of the two may have got a number of the list itself.
		for i := range fds {
			high, err := unix.FcntlInt(uintptr(fds[i]), unix.F_DUPFD_CLOEXEC, 1000)
			if err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(fds[i])
			fds[i] = high
		}
		if err := unix.Dup3(fds[0], fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fds[0])
		taken[fd] = fds[1]
	}
	return taken
}

// TestP11PostersAtTheEnd has goroutines that post while Run returns, and others that take
// the numbers that become free. Nobody's connection gets bytes that it was not sent.
func TestP11PostersAtTheEnd(t *testing.T) {
	for range 20 {
		p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for p.Post(func() {}) == nil {
				}
			})
		}
		all.Go(func() { _ = p.Stop() })
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		var fresh []ends
		for range 4 {
			fresh = append(fresh, pair(t))
		}
		all.Wait()
		for _, e := range fresh {
			b := make([]byte, 16)
			if n, _, err := unix.Recvfrom(e.own, b, unix.MSG_DONTWAIT); err != unix.EAGAIN {
				t.Errorf("a new connection was sent %x, %v", b[:max(n, 0)], err)
			}
			if n, err := unix.Read(e.polled, b); err != unix.EAGAIN {
				t.Errorf("a new connection was sent %x, %v", b[:max(n, 0)], err)
			}
			e.close()
		}
	}
}

// TestP19ErrorOfEpoll puts something else in the place of the epoll set: Run returns the
// error, and nothing of it goes to the log or to standard output.
func TestP19ErrorOfEpoll(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	defer slog.SetDefault(old)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	before := kit.OwnDescriptors(t)
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	for fd, what := range kit.OwnDescriptors(t) {
		if _, had := before[fd]; !had && strings.Contains(what, "eventpoll") {
			if err := unix.Dup3(1, fd, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := pair(t)
	defer unix.Close(e.own)
	_ = p.Attach(e.polled, handlerFunc(func(Events) {}))
	p.Close(e.polled) // whose turn will have no end
	stdout := capture(t, func() { err = p.Run() })
	if isOpen(e.polled) {
		t.Error("what was closed before the end is still open")
	}
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "epoll_wait") {
		t.Errorf("Run: got %v, want EINVAL of epoll_wait", err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: got %q, want nothing: Run returns it", log.String())
	}
	if stdout != "" {
		t.Errorf("standard output: got %q, want nothing", stdout)
	}
	if err := p.Post(func() {}); err != ErrStopped {
		t.Errorf("Post: got %v, want ErrStopped", err)
	}
}

// TestP19NothingOnStandardOutput calls each level of gnet's logger.
func TestP19NothingOnStandardOutput(t *testing.T) {
	run(t, nil) // sets the logger
	var log bytes.Buffer
	old := slog.Default()
	defer slog.SetDefault(old)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	levels := map[string]func(string, ...any){
		"DEBUG": logging.Debugf, "INFO": logging.Infof, "WARN": logging.Warnf, "ERROR": logging.Errorf, "FATAL": logging.Fatalf,
	}
	for name, logf := range levels {
		log.Reset()
		if stdout := capture(t, func() { logf("number %d", 7) }); stdout != "" {
			t.Errorf("%s: standard output: got %q, want nothing", name, stdout)
		}
		level := name
		if name == "FATAL" {
			level = "ERROR"
		}
		if got := log.String(); !strings.Contains(got, level) || !strings.Contains(got, "number 7") {
			t.Errorf("%s: got %q, want a line of level %s with the text", name, got, level)
		}
	}
	logging.Cleanup()
}

// capture gives what fn writes to descriptor 1.
func capture(t *testing.T, fn func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	saved, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(w.Fd()), 1, 0); err != nil {
		t.Fatal(err)
	}
	fn()
	if err := unix.Dup3(saved, 1, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(saved)
	_ = w.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(r)
	_ = r.Close()
	return out.String()
}
