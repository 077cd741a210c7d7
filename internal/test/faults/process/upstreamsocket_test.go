package process

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// again is the -retry of the dc_client under test. An attempt takes 2 to 3 ms of CPU with a tracer, so that ten a second
// would be more than the share that is held where times are judged.
var again = kit.Sized(100*time.Millisecond, 200*time.Millisecond)

// startAgain runs a dc_client that is connected to that server.
func startAgain(t *testing.T, up *kit.Upstream, args ...string) (program, *kit.Process, kit.Endpoint) {
	t.Helper()
	p := program{name: "dc_client", path: kit.Tool("dc_client"), absent: codec.StatusNotOK,
		args: []string{"-server", up.Endpoint().String(), "-timeout", "10000", "-retry", strconv.FormatInt(again.Milliseconds(), 10)}}
	process, at := p.start(t, args...)
	process.WaitStderr(patience, "connected to dc_server")
	return p, process, at
}

// TestR02R04NoSocketToTheServer: the kernel grants dc_client no socket, no connection or no
// watch for its connection to dc_server. Clients are answered at once. dc_client keeps trying,
// and connects soon after the kernel allows it.
func TestR02R04NoSocketToTheServer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		call   string
		errnos []unix.Errno
	}{
		{"socket", scarce()},
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
				inside.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
				jitter.MustTake(t, "service once it can", time.Since(freed), 0, again+kit.Promptly)
				least, most := fewest(again)/2, int(freed.Sub(began)/(again*4/5))+2
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

// TestR02TheServerHasItsDescriptor: -maxclients leaves a descriptor for the connection to
// dc_server. Clients that come when all are there do not take it, not even after a time without a
// connection: each takes the place of one that is idle.
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
	for range atFull(3) {
		up.Stop()
		for range 20 {
			newcomer := kit.Dial(t, at)
			newcomer.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
			inside[0].ExpectClosed()
			inside = append(inside[1:], newcomer)
		}
		time.Sleep(3 * again) // attempts fail meanwhile
		mustServeAtOnce(t, jitter, codec.StatusDisconnected, inside...)
		up.Start()
		back := time.Now()
		inside[0].AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		jitter.MustTake(t, "service once dc_server is back", time.Since(back), 0, again+kit.Promptly)
		mustServeAtOnce(t, jitter, codec.StatusNotOK, inside...)
	}
	if strings.Contains(process.Stderr(), "accepting paused") {
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

// TestR03AllClientsAreReplacedAtOnce: there are exactly as many descriptors as clients. While
// the process is stopped, all clients leave and as many connect. The new clients take the places
// of the old ones; none is refused for want of a descriptor.
func TestR03AllClientsAreReplacedAtOnce(t *testing.T) {
	t.Parallel()
	const most = 100
	p := programs()[0]
	at := kit.Unix(t)
	process := ready(inShell(p.command("-listen", at.String(), "-maxclients", "100"), "ulimit -n 164").Start(t))
	for range atFull(3) {
		var old, young []*kit.Client
		for range most {
			old = append(old, p.insider(t, at))
		}
		process.Signal(syscall.SIGSTOP)
		for _, c := range old {
			_ = c.CloseWrite() // is told at once, also where a test beside this one is starting a process, which has all descriptors for a moment
			_ = c.Close()
		}
		for range most {
			young = append(young, newcomer(t, at))
		}
		process.Signal(syscall.SIGCONT)
		refused := 0
		for _, c := range young {
			if !p.isServed(t, c) {
				refused++
			}
			_ = c.CloseWrite()
			_ = c.Close()
		}
		if refused > 0 {
			t.Errorf("got %d of %d newcomers refused, want all served", refused, most)
		}
	}
	if strings.Contains(process.Stderr(), "accepting paused") {
		t.Errorf("got %q, want enough descriptors", process.Stderr())
	}
	mustEnd(t, process)
}
