package main

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestIdle closes clients that ask nothing for so long, and no others.
func TestIdle(t *testing.T) {
	t.Parallel()
	const idle = 400 * time.Millisecond
	jitter := kit.MeasureJitter(t)
	process, at := start(t, "-idle", "400")
	for _, row := range []struct {
		name string
		asks int // before it becomes idle
	}{{"never asked", 0}, {"asked twice", 2}} {
		t.Run(row.name, func(t *testing.T) {
			began := time.Now()
			client := kit.Dial(t, at)
			for range row.asks {
				began = time.Now()
				client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
			}
			client.ExpectClosed()
			jitter.MustTake(t, "end", time.Since(began), idle, idle+2*kit.Promptly)
		})
	}
	if code := process.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// TestIdleNever is the default.
func TestIdleNever(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	client := kit.Dial(t, at)
	client.ExpectQuiet(300 * time.Millisecond)
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
}

// TestMaxClients lets so many in, and closes those that come then.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	process, at := start(t, "-maxclients", "2")
	process.WaitStderr(patience, " maxclients=2 ")
	first, second := kit.Dial(t, at), kit.Dial(t, at)
	for _, client := range []*kit.Client{first, second} {
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	}
	kit.Dial(t, at).ExpectClosed()
	process.WaitStderr(patience, "clients are refused")
	second.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	_ = first.Close()
	process.Wait(patience, "room for another client", func() bool {
		conn, err := kit.Connect(at)
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_, err = conn.Do(kit.Have(1, "nobody's"))
		return err == nil
	})
}
