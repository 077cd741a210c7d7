package process

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// TestR04NoMoreWatches: the kernel refuses epoll_ctl for a new client. That client is closed,
// and others are served.
func TestR04NoMoreWatches(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := kit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		inside := p.insider(t, at)
		said, began := len(process.Stderr()), time.Now()
		refused := 0
		errnos := []unix.Errno{unix.ENOSPC, unix.ENOMEM}
		if !kit.Full() {
			errnos = errnos[:1]
		}
		for _, errno := range errnos {
			for call := 1; call <= 5; call++ {
				rule := fmt.Sprintf("epoll_ctl:error=%s:when=%d", unix.ErrnoName(errno), call)
				_, ended := p.mustRefuseFew(t, process, at, jitter, rule)
				refused += ended
				mustServeAtOnce(t, jitter, p.absent, inside)
			}
		}
		// Where the loop changes its thread, the error may have been another call's.
		if refused < 1 || kit.Full() && refused < 5 {
			t.Errorf("got %d refused for want of a watch, want one in most of %d times", refused, 5*len(errnos))
		}
		mustSay(t, process, said, began, "accepting paused", unix.ENOSPC.Error())
		mustEnd(t, process)
	})
}

// TestR04ListenerGetsNoWatch: accepting rests for want of descriptors. Then the kernel refuses
// to watch the listening socket again. Accepting goes on once the kernel allows it.
func TestR04ListenerGetsNoWatch(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := kit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		inside := p.insider(t, at)
		raise := lowerNofile(t, process, 3)
		waiting := newcomer(t, at)
		process.WaitStderr(patience, "accepting paused")
		said, began := len(process.Stderr()), time.Now()
		failing := inject(t, process, "epoll_ctl:error=ENOSPC")
		process.WaitStderr(patience, "cannot resume accepting yet")
		raise()
		mustRest(t, process)
		mustServeAtOnce(t, jitter, p.absent, inside)
		mustSay(t, process, said, began, "cannot resume accepting yet", unix.ENOSPC.Error())
		if failed := len(failing.stop()); failed < fewest(resting)/2 {
			t.Errorf("got %d errors, want more", failed)
		}
		freed := time.Now()
		if !p.isServed(t, waiting) {
			t.Error("got the newcomer refused, want it served")
		}
		jitter.MustTake(t, "service once there are watches", time.Since(freed), 0, resting)
		mustEnd(t, process)
	})
}

// TestR04ListenerCannotRest: accept fails for want of descriptors, and so does the epoll_ctl
// that should let accepting rest. A new client is served all the same.
func TestR04ListenerCannotRest(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := kit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		said, began := len(process.Stderr()), time.Now()
		const most = 100
		for try := 1; !p.mustServeWhereNothingRests(t, process, at, jitter); try++ {
			if try == most {
				t.Fatalf("got the errors of no try where they were to be, in %d", most)
			}
		}
		mustSay(t, process, said, began, "accepting paused", unix.EMFILE.Error())
		mustEnd(t, process)
	})
}

// mustServeWhereNothingRests lets accept fail for want of descriptors, twice, and the next
// epoll_ctl, and holds that a newcomer is served all the same. strace counts by thread: where
// the loop has changed its thread, other calls fail than these, and the newcomer may be
// refused rightly. It gives false then, and has held nothing.
func (p program) mustServeWhereNothingRests(t *testing.T, process *kit.Process, at kit.Endpoint, jitter *kit.Jitter) bool {
	t.Helper()
	failing := inject(t, process, "accept4:error=EMFILE:when=1..2", "epoll_ctl:error=ENOMEM:when=1")
	began := time.Now()
	served := p.isServed(t, newcomer(t, at))
	took := time.Since(began)
	accepts, rests, newcomers := 0, 0, 0
	for _, call := range failing.stop() {
		switch {
		case strings.HasPrefix(call, "accept4("):
			accepts++
		case strings.Contains(call, "EPOLL_CTL_ADD"):
			newcomers++
		default:
			rests++
		}
	}
	if accepts != 2 || rests != 1 || newcomers != 0 {
		return false
	}
	if !served {
		t.Error("got the newcomer refused, want it served")
	}
	jitter.MustTake(t, "service", took, 0, resting)
	return true
}
