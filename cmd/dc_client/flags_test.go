package main

import (
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestScripts runs what testdata/script holds of the command line.
func TestScripts(t *testing.T) { kit.RunScripts(t, run) }

// TestNumbersOutOfRange: each flag with a number says what is out of its range.
func TestNumbersOutOfRange(t *testing.T) { kit.RefusesNumbers(t, program, run) }

// TestServerSpellings: all of them reach the same dc_server.
func TestServerSpellings(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: "127.0.0.1:0"}) // localhost
	_, port, _ := strings.Cut(up.Endpoint().Address, ":")
	for _, args := range [][]string{
		{"-server", "IP:127.0.0.1:" + port}, {"-connect", "IP:127.0.0.1:" + port}, {"--server=IP:127.0.0.1:" + port},
		{"-connect=IP:localhost:" + port}, {"--connect", "IPv4:localhost:" + port}, {"-server=IPv4:127.0.0.1:" + port},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			process := kit.Start(t, kit.Tool(program), append(args, "-listen", at.String(), "-timeout", "10000")...)
			process.WaitStderr(patience, "connected to dc_server")
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		})
	}
}

// TestServerIsOneself connects dc_client to itself under another name: it must not go
// round in circles, and its clients are answered.
func TestServerIsOneself(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	process := kit.Start(t, kit.Tool(program), "-listen", at.String(), "-server", "IP:[::ffff:"+strings.Replace(at.Address, ":", "]:", 1), "-retry", "100")
	process.WaitStderr(patience, "no connection to dc_server")
	client := kit.Dial(t, at)
	for range 10 {
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	}
	mustEnd(t, process)
}
