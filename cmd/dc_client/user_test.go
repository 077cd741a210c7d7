package main

import (
	"os"
	"path/filepath"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestUserConnects: it is the user of -user that connects to dc_server, each time anew,
// and not root.
func TestUserConnects(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can change users")
	}
	where := kit.Unix(t)
	up := kit.NewUpstream(t, where)
	mode := func(m os.FileMode) {
		if err := os.Chmod(where.Address, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(where.Address), 0o755); err != nil {
		t.Fatal(err)
	}
	mode(0o600)
	process, at := start(t, where, "-user", "nobody", "-retry", "50")
	process.WaitStderr(patience, "permission denied")
	client := kit.Dial(t, at)
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	mode(0o666)
	process.WaitStderr(patience, "connected to dc_server")
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	for range 3 {
		before := up.Conns()
		up.CloseAll()
		process.Wait(patience, "new connection", func() bool { return up.Conns() > before })
		kit.Wait(t, patience, "service", func() bool {
			return client.Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
		})
	}
}
