package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestLoops holds that with -loops each event loop has a connection to dc_server of its
// own, that clients are spread over them, that a session that one brought is there for
// the other, and that an orderly end ends them all.
func TestLoops(t *testing.T) {
	t.Parallel()
	const loops = 3
	up := kit.NewUpstream(t, kit.Unix(t))
	process, at := start(t, up.Endpoint(), "-loops", "3")
	process.Wait(patience, "connections of all loops", func() bool {
		return strings.Count(process.Stderr(), "connected to dc_server") == loops
	})
	kit.Dial(t, at).ExpectStatus(kit.Add(1, "everybody's", "data", time.Minute), codec.StatusOK)
	process.Wait(patience, "requests on all connections", func() bool {
		askTogether(t, at)
		return len(servedBy(up)) == loops
	})
	if got := up.Conns(); got != loops {
		t.Errorf("got %d connections to dc_server, want %d that lasted", got, loops)
	}
	mustEnd(t, process)
}

// askTogether is a crowd in which each client asks once.
func askTogether(t *testing.T, at kit.Endpoint) {
	var crowd sync.WaitGroup
	for range 64 {
		crowd.Go(func() {
			conn, err := kit.Connect(at)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			answer, err := conn.Do(kit.Have(7, "everybody's"))
			if want := kit.Status(7, codec.OpHave, codec.StatusOK); err != nil || !bytes.Equal(answer.Wire, want) {
				t.Errorf("got %x and error %v, want %x", answer.Wire, err, want)
			}
		})
	}
	crowd.Wait()
}

// servedBy is which connections brought requests of clients.
func servedBy(up *kit.Upstream) map[int]bool {
	conns := map[int]bool{}
	for _, r := range up.Requests() {
		if r.ID == "everybody's" {
			conns[r.Conn] = true
		}
	}
	return conns
}
