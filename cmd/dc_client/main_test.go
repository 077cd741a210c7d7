package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 16, Programs: map[string]func(){program: main}}.Run(m)
}

// start runs dc_client in front of what is at server, until the test ends. Unless the
// test says otherwise, requests have more time than a busy machine ever takes.
func start(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-timeout") }) {
		args = append(args, "-timeout", "10000")
	}
	return startAsIs(t, server, args...)
}

// startAsIs is start with these flags alone.
func startAsIs(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	args = append([]string{"-server", server.String(), "-listen", at.String()}, args...)
	process := kit.Start(t, kit.Tool(program), args...)
	process.WaitStderr(patience, " ready ")
	return process, at
}

// startLinked is start, and waits for the connection to dc_server.
func startLinked(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	process, at := start(t, server, args...)
	process.WaitStderr(patience, "connected to dc_server")
	return process, at
}

// startServer runs a dc_server there until the test ends.
func startServer(t *testing.T, at kit.Endpoint, args ...string) *kit.Process {
	t.Helper()
	process := kit.Start(t, kit.Tool("dc_server"), append([]string{"-listen", at.String()}, args...)...)
	process.WaitStderr(patience, " ready ")
	return process
}

// timing is what a test holds of times.
type timing struct{ *kit.Jitter }

// measure measures how late this machine is, until the test ends.
func measure(t *testing.T) timing { return timing{kit.MeasureJitter(t)} }

// MustTake holds how long something took: no less than least, and no more than most where
// the machine does nothing else.
func (m timing) MustTake(t *testing.T, what string, took, least, most time.Duration) {
	t.Helper()
	if !kit.Full() {
		most = max(most, took)
	}
	m.Jitter.MustTake(t, what, took, least, most)
}

// MustBeBelow gives a test up that a stall of this machine has made meaningless. Where other
// work goes on, a little lateness is sign enough: that of other processes is not measured.
func (m timing) MustBeBelow(t *testing.T, most time.Duration) {
	t.Helper()
	if !kit.Full() {
		most = min(most, 5*time.Millisecond)
	}
	m.Jitter.MustBeBelow(t, most)
}

// nowhere is where nobody ever listens.
func nowhere() kit.Endpoint {
	return kit.Endpoint{Network: "unix", Address: "/nowhere/dc_server"}
}

// failed is the answer of one byte that says that there is no dc_server.
func failed(uid uint32, op codec.Op) []byte { return kit.Status(uid, op, codec.StatusDisconnected) }

// mustKeepItsLink holds that dc_server noticed nothing.
func mustKeepItsLink(t *testing.T, up *kit.Upstream) {
	t.Helper()
	if got := up.Replaced(); got != 0 {
		t.Errorf("got %d connections to dc_server replaced, want the first to have lasted", got)
	}
}
