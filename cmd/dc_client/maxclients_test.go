package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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

// TestF08InheritedDescriptors: the parent has left descriptors open. They are no room for clients, and the connection to
// dc_server gets a descriptor when all clients are there.
func TestF08InheritedDescriptors(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody who may not raise the limit of descriptors")
	}
	const inherited, limit, most = 100, "200", 200 - 100 - 64
	at, server := kit.Unix(t), kit.Unix(t)
	if err := errors.Join(os.Chmod(filepath.Dir(at.Address), 0o777), os.Chmod(filepath.Dir(server.Address), 0o777)); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	process := kit.Command{
		Path: "/bin/sh", Args: []string{"-c", "ulimit -n " + limit + `; exec "$0" "$@"`, kit.Tool(program),
			"-listen", at.String(), "-server", server.String(), "-retry", "50"},
		Files: slices.Repeat([]*os.File{null}, inherited),
		Sys:   &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
	}.Start(t)
	process.WaitStderr(patience, " ready ")
	if want := " (32768 and 64 for the daemon itself and 100 open already)"; !strings.Contains(process.Stderr(), want) {
		t.Errorf("got %q, want%s in it", process.Stderr(), want)
	}
	for range most {
		kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	}
	kit.Dial(t, at).ExpectClosed()
	kit.NewUpstream(t, server)
	if err := os.Chmod(server.Address, 0o777); err != nil {
		t.Fatal(err)
	}
	process.WaitStderr(patience, "connected to dc_server")
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
