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

// TestMaxClients lets so many in, and closes those that come then at once, while all wait for answers.
// The log tells, but once a second.
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
	waiting := make(chan *kit.Exchange, most)
	up.Expect(codec.OpHave, "nobody's").Times(most).Do(func(x *kit.Exchange) { waiting <- x })
	process, at := startLinked(t, up.Endpoint(), "-maxclients", "5", "-loops", loops, "-timeout", "0")
	process.Wait(patience, "connections of all loops", func() bool { return strconv.Itoa(up.Conns()) == loops })
	var let []*kit.Client
	for range most {
		client := kit.Dial(t, at)
		client.Send(kit.Have(1, "nobody's"))
		let = append(let, client)
	}
	process.Wait(patience, "requests of all", func() bool { return len(waiting) == most })
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
	for range most {
		x := <-waiting
		x.Write(x.Answer)
	}
	for _, client := range let {
		client.Expect(kit.Answer(1, codec.OpHave, []byte{byte(codec.StatusNotOK)}))
	}
	_ = let[0].Close()
	process.Wait(patience, "room for another client", func() bool { return served(at) })
	mustEnd(t, process)
}

// TestMaxClientsIdle: when all clients are idle, each that comes is served, in place of the one that
// was answered longest ago; the figures and the log tell. One that has asked nothing yet stays.
func TestMaxClientsIdle(t *testing.T) {
	t.Parallel()
	const most, more = 5, 20
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint(), "-maxclients", strconv.Itoa(most+1), "-memcached", kit.Unix(t).String())
	early := kit.Dial(t, at)
	var clients []*kit.Client
	for i := range most + more {
		client := kit.Dial(t, at)
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		clients = append(clients, client)
		if i >= most {
			clients[i-most].ExpectClosed()
		}
	}
	for _, client := range append(clients[more:], early) {
		client.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusNotOK)
	}
	process.WaitStderr(patience, "reason=displaced")
	if strings.Contains(process.Stderr(), "clients are refused") {
		t.Errorf("got clients refused, want none:\n%s", process.Stderr())
	}
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
	first := kit.Dial(t, at)
	first.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	for range most - 1 {
		kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	}
	first.ExpectQuiet(10 * time.Millisecond)
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	first.ExpectClosed() // there was no room for one more
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
