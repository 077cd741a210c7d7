//go:build faults

package daemon

import (
	"bytes"
	"time"

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
	}
	f.Handler.Received(c, b, now)
}
