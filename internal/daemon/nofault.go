//go:build !faults

package daemon

import (
	"time"

	"distcache/engine"
)

// watchBeat is the time between two beats of a watchdog.
const watchBeat = 2 * time.Second

// withFaults returns h. In a build with -tags faults, for tests, the handler fails on request.
func withFaults(h engine.Handler) engine.Handler { return h }
