package main

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

const idle = 400 * time.Millisecond

// TestIdle closes clients that ask nothing for so long, not before and not much later.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		asks int // before it becomes idle
	}{{"never asked", 0}, {"asked once", 1}, {"asked now and then", 4}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			up := kit.NewUpstream(t, kit.Loopback())
			_, at := startLinked(t, up.Endpoint(), "-idle", "400")
			began := time.Now()
			client := kit.Dial(t, at)
			for range row.asks {
				if err := client.Quiet(idle / 3); err != nil {
					jitter.MustBeBelow(t, idle/4)
					t.Fatalf("got %v, want it left alone for %v", err, idle)
				}
				began = time.Now()
				client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
			}
			client.ExpectClosed()
			jitter.MustTake(t, "end", time.Since(began), idle, idle+2*kit.Promptly)
		})
	}
}

// TestIdleNotWhileOpen: who waits for an answer is not idle, however long it takes.
func TestIdleNotWhileOpen(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(kit.Late(3 * idle))
	_, at := startLinked(t, up.Endpoint(), "-idle", "400")
	client := kit.Dial(t, at)
	began := time.Now()
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	jitter.MustTake(t, "answer", time.Since(began), 3*idle, 3*idle+kit.Promptly)
	client.ExpectClosed()
	jitter.MustTake(t, "end", time.Since(began), 4*idle, 4*idle+2*kit.Promptly)
}

// TestIdleNever is the default.
func TestIdleNever(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-idle", "0"}} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Loopback())
			_, at := startLinked(t, up.Endpoint(), args...)
			client := kit.Dial(t, at)
			client.ExpectQuiet(2 * idle)
			client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		})
	}
}

// TestIdleIsNoFault: it makes no line in the log.
func TestIdleIsNoFault(t *testing.T) {
	t.Parallel()
	process, at := start(t, nowhere(), "-idle", "50", "-retry", "3600000")
	process.WaitStderr(patience, "no connection to dc_server")
	before := process.Stderr()
	var clients []*kit.Client
	for range 20 {
		clients = append(clients, kit.Dial(t, at))
	}
	for _, client := range clients {
		client.ExpectClosed()
	}
	if after := process.Stderr(); after != before {
		t.Errorf("got more lines, want none:\n%s", after)
	}
}
