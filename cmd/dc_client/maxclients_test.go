package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestMaxClients lets so many in, and closes those that come then at once. The log tells, but
// once a second.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	for _, loops := range []string{"1", "2"} {
		t.Run("loops="+loops, func(t *testing.T) {
			t.Parallel()
			testMaxClients(t, loops)
		})
	}
}

func testMaxClients(t *testing.T, loops string) {
	const most = 5
	jitter := measure(t)
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint(), "-maxclients", "5", "-loops", loops)
	process.Wait(patience, "connections of all loops", func() bool { return strconv.Itoa(up.Conns()) == loops })
	var let []*kit.Client
	for range most {
		client := kit.Dial(t, at)
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		let = append(let, client)
	}
	began := time.Now()
	for range 50 {
		came := time.Now()
		kit.Dial(t, at).ExpectClosed()
		jitter.MustTake(t, "end of one too many", time.Since(came), 0, kit.Promptly)
	}
	process.WaitStderr(patience, "clients are refused")
	seconds := int(time.Since(began)/time.Second) + 1 // of each loop
	if lines := strings.Count(process.Stderr(), "clients are refused"); lines > 2*seconds {
		t.Errorf("got %d lines about clients that are refused, want %d at most", lines, 2*seconds)
	}
	for _, client := range let {
		client.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusNotOK)
	}
	_ = let[0].Close()
	process.Wait(patience, "room for another client", func() bool { return served(at) })
	mustEnd(t, process)
}

// served reports whether a new client gets an answer there.
func served(at kit.Endpoint) bool {
	conn, err := kit.Connect(at)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Do(kit.Have(1, "nobody's"))
	return err == nil
}

// mustEnd ends it in the orderly way.
func mustEnd(t *testing.T, process *kit.Process) {
	t.Helper()
	if code := process.Stop(); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0", code)
	}
}
