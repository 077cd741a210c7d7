package process

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/testkit"
)

// TestR04NoMoreWatches: a client that the kernel grants no watch ends, whichever of those
// that come it is; others are served.
func TestR04NoMoreWatches(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := testkit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		inside := p.insider(t, at)
		said, began := len(process.Stderr()), time.Now()
		refused := 0
		for _, errno := range []unix.Errno{unix.ENOSPC, unix.ENOMEM} {
			for call := 1; call <= 5; call++ {
				rule := fmt.Sprintf("epoll_ctl:error=%s:when=%d", unix.ErrnoName(errno), call)
				_, ended := p.mustRefuseFew(t, process, at, jitter, rule)
				refused += ended
				mustServeAtOnce(t, jitter, p.absent, inside)
			}
		}
		// Where the loop changes its thread, the error may have been another call's.
		if refused < 5 {
			t.Errorf("got %d refused for want of a watch, want one in most of ten times", refused)
		}
		mustSay(t, process, said, began, "accepting rests", unix.ENOSPC.Error())
		mustEnd(t, process)
	})
}

// TestR04ListenerGetsNoWatch: accepting rests, for want of descriptors, and then the kernel
// grants no watch to go on with. It goes on once there is one.
func TestR04ListenerGetsNoWatch(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := testkit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		inside := p.insider(t, at)
		raise := lowerNofile(t, process, 3)
		waiting := newcomer(t, at)
		process.WaitStderr(patience, "accepting rests")
		said, began := len(process.Stderr()), time.Now()
		failing := inject(t, process, "epoll_ctl:error=ENOSPC")
		process.WaitStderr(patience, "cannot go on yet")
		raise()
		mustRest(t, process)
		mustServeAtOnce(t, jitter, p.absent, inside)
		mustSay(t, process, said, began, "cannot go on yet", unix.ENOSPC.Error())
		if failed := len(failing.stop()); failed < 5 {
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

// TestR04ListenerCannotRest: not even that accepting is to rest is taken by epoll_ctl.
func TestR04ListenerCannotRest(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := testkit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		said := len(process.Stderr())
		rules := []string{"accept4:error=EMFILE:when=1..2", "epoll_ctl:error=ENOMEM:when=1"}
		failing := inject(t, process, rules...)
		began := time.Now()
		if !p.isServed(t, newcomer(t, at)) {
			t.Error("got the newcomer refused, want it served")
		}
		jitter.MustTake(t, "service", time.Since(began), 0, resting)
		if failed := len(failing.stop()); failed < 2 {
			t.Errorf("got %d errors, want more", failed)
		}
		mustSay(t, process, said, began, "accepting rests", unix.EMFILE.Error())
		mustEnd(t, process)
	})
}
