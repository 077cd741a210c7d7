package poll

import (
	"os"
	"runtime"
	"testing"
	"time"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// TestOthersRunWhileTheLoopIsBusy: a goroutine that waits for a network connection gets its turn
// although the loop, with the only processor, never sleeps.
func TestOthersRunWhileTheLoopIsBusy(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := run(t, nil)
	e, other := pair(t), pair(t)
	if err := unix.SetNonblock(other.own, true); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(other.own), "other")
	defer f.Close()
	read := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 1))
		read <- err
	}()
	e.send(t, "x") // which nobody reads, so the loop has an event in each turn
	turns := 0
	r.do(func() {
		r.watch(e.polled, None, func(Events) {
			if turns++; turns == 1000 {
				_, _ = socket.Write(other.polled, []byte("y"))
			}
		})
		// Not at once: until then all of Go's threads have gone to sleep.
		timer, err := r.NewTimer(func() { _ = r.Watch(e.polled, Read) })
		if err == nil {
			err = timer.Set(200 * time.Millisecond)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := receive(t, read, "what another goroutine reads"); err != nil {
		t.Error(err)
	}
	r.do(func() { r.Close(e.polled) })
}
