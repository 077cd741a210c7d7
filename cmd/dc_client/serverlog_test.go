package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// localhost is where up listens, under a name.
func localhost(t *testing.T, up *kit.Upstream) (byName, byAddress kit.Endpoint) {
	t.Helper()
	byAddress = up.Endpoint()
	_, port, err := net.SplitHostPort(byAddress.Address)
	if err != nil {
		t.Fatal(err)
	}
	return kit.Endpoint{Network: "tcp", Address: "localhost:" + port}, byAddress
}

// TestF10LinesNameTheAddress: each line about the connection says to which address it is.
func TestF10LinesNameTheAddress(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: "127.0.0.1:0"}) // where localhost leads
	up.On(func(kit.Request) bool { return true }).Do(kit.Late(30 * time.Millisecond))
	name, address := localhost(t, up)
	process, at := startAsIs(t, name, "-timeout", "20")
	for _, line := range []string{"connected to dc_server", "takes longer than -timeout"} {
		mustNameAddress(t, process, line, name, address)
	}
	client := kit.Dial(t, at)
	process.Wait(patience, "line about late answers", func() bool {
		client.Answer(kit.Have(1, "nobody's"))
		return strings.Contains(process.Stderr(), "did not answer in time")
	})
	mustNameAddress(t, process, "did not answer in time", name, address)
	up.Stop()
	mustNameAddress(t, process, "lost dc_server", name, address)
	process.WaitStderr(patience, "no connection to dc_server")
}

// mustNameAddress waits for the line with text, and holds that it names the address.
func mustNameAddress(t *testing.T, process *kit.Process, text string, name, address kit.Endpoint) {
	t.Helper()
	process.WaitStderr(patience, text)
	for line := range strings.Lines(process.Stderr()) {
		if want := "server=" + name.String() + " address=" + address.Address; strings.Contains(line, text) && !strings.Contains(line, want) {
			t.Errorf("got the line %q, want %q in it", line, want)
		}
	}
}
