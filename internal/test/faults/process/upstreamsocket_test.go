package process

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// again is the -retry of the dc_client under test.
const again = 100 * time.Millisecond

// startAgain runs a dc_client that is connected to that server.
func startAgain(t *testing.T, up *kit.Upstream, args ...string) (program, *kit.Process, kit.Endpoint) {
	t.Helper()
	p := program{name: "dc_client", path: kit.Tool("dc_client"), absent: codec.StatusNotOK,
		args: []string{"-server", up.Endpoint().String(), "-timeout", "1000", "-retry", "100"}}
	process, at := p.start(t, args...)
	process.WaitStderr(patience, "connected to dc_server")
	return p, process, at
}

// TestR02R04NoSocketToTheServer: while the kernel grants no socket, no connection or no watch
// for the way to dc_server, clients are told at once; it is tried again in time, and soon
// succeeds when it can.
func TestR02R04NoSocketToTheServer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		call   string
		errnos []unix.Errno
	}{
		{"socket", scarce},
		{"connect", []unix.Errno{unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL}},
		{"epoll_ctl", []unix.Errno{unix.ENOSPC, unix.ENOMEM}},
	} {
		for _, errno := range row.errnos {
			t.Run(row.call+" "+unix.ErrnoName(errno), func(t *testing.T) {
				t.Parallel()
				jitter := kit.MeasureJitter(t)
				up := kit.NewUpstream(t, kit.Loopback())
				p, process, at := startAgain(t, up)
				inside := p.insider(t, at)
				said, began := len(process.Stderr()), time.Now()
				failing := inject(t, process, row.call+":error="+unix.ErrnoName(errno))
				up.CloseAll()
				process.WaitStderr(patience, "no connection to dc_server")
				mustRest(t, process)
				mustServeAtOnce(t, jitter, codec.StatusDisconnected, inside)
				mustSay(t, process, said, began, "no connection to dc_server", row.call)
				mustName(t, process.Stderr()[said:], errno.Error())
				failed := failing.stop()
				freed := time.Now()
				kit.Wait(t, patience, "service", func() bool {
					return inside.Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
				})
				jitter.MustTake(t, "service once it can", time.Since(freed), 0, again+kit.Promptly)
				least, most := int(watched/again)/2, int(freed.Sub(began)/(again*4/5))+2
				if errno == unix.EADDRNOTAVAIL {
					most *= 3 // package net tries again twice, at once
				}
				if len(failed) < least || len(failed) > most {
					t.Errorf("got %d attempts in %v, want %d to %d", len(failed), freed.Sub(began), least, most)
				}
				mustEnd(t, process)
			})
		}
	}
}

// TestR02TheServerHasItsDescriptor: -maxclients leaves room for the connection to
// dc_server, and those who are refused do not take it: also after a while without.
func TestR02TheServerHasItsDescriptor(t *testing.T) {
	t.Parallel()
	needRoot(t) // for another process's limits
	const most = 96
	jitter := kit.MeasureJitter(t)
	up := kit.NewUpstream(t, kit.Loopback())
	p, process, at := startAgain(t, up, "-maxclients", "96")
	lowerNofile(t, process, descriptorsFor(t, p, most))
	var inside []*kit.Client
	for range most {
		inside = append(inside, p.insider(t, at))
	}
	for range 3 {
		up.Stop()
		for range 20 {
			if newcomer := newcomer(t, at); p.isServed(t, newcomer) {
				t.Fatalf("got more than %d clients served", most)
			}
		}
		time.Sleep(3 * again) // attempts fail meanwhile
		mustServeAtOnce(t, jitter, codec.StatusDisconnected, inside...)
		up.Start()
		back := time.Now()
		kit.Wait(t, patience, "service", func() bool {
			return inside[0].Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
		})
		jitter.MustTake(t, "service once dc_server is back", time.Since(back), 0, again+kit.Promptly)
		mustServeAtOnce(t, jitter, codec.StatusNotOK, inside...)
	}
	if strings.Contains(process.Stderr(), "accepting rests") {
		t.Error("got descriptors used up, want -maxclients to keep from that")
	}
	mustEnd(t, process)
}

// descriptorsFor is how many descriptors that many clients take, by what -check says.
func descriptorsFor(t *testing.T, p program, clients int) uint64 {
	t.Helper()
	check := p.command("-check", "-listen", kit.Unix(t).String(), "-maxclients", strconv.Itoa(clients)).Start(t)
	check.Exit(patience)
	var all uint64
	_, rest, _ := strings.Cut(check.Stdout(), "  descriptors ")
	if _, err := fmt.Sscanf(rest, "%d = ", &all); err != nil {
		t.Fatalf("got %q of -check, want the number of descriptors: %v", check.Stdout(), err)
	}
	return all
}
