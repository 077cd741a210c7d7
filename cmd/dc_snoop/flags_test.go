package main

import (
	"testing"

	"distcache/internal/test/kit"
)

// TestScripts runs what testdata/script holds of the command line.
func TestScripts(t *testing.T) { kit.RunScripts(t, nil) }

// TestConnectIsServer: the flag has two names.
func TestConnectIsServer(t *testing.T) {
	t.Parallel()
	up, at := kit.NewUpstream(t, kit.Loopback()), kit.Unix(t)
	p := kit.Start(t, kit.Program(t, program), "--listen="+at.String(), "--connect="+up.Endpoint().String())
	p.WaitListening(patience, at)
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), 1)
	stop(t, p)
}
