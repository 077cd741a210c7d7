//go:build faults

package daemon

import (
	"bytes"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"distcache/engine"
)

// watchBeat is the time between two beats of a watchdog, shorter than in other builds.
const watchBeat = 100 * time.Millisecond

// withFaults makes h fail when a client sends the name of a fault.
func withFaults(h engine.Handler) engine.Handler { return faulty{h} }

type faulty struct{ engine.Handler }

// Received fails, or passes the bytes on.
func (f faulty) Received(c int, b []byte, now time.Duration) {
	switch {
	case bytes.Contains(b, []byte("fault:panic")):
		panic("a fault was asked for")
	case bytes.Contains(b, []byte("fault:spin")):
		for {
		}
	case bytes.Contains(b, []byte("fault:sleep")):
		time.Sleep(time.Hour)
	case bytes.Contains(b, []byte("fault:kernel")):
		hang()
	}
	f.Handler.Received(c, b, now)
}

// hang waits in the kernel, with the thread's processor: Go's scheduler knows nothing of it.
func hang() {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		panic(err)
	}
	for {
		var b [1]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(pipe[0]), uintptr(unsafe.Pointer(&b)), 1)
	}
}
