package network

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestF10PerAddress: with -server-per-address each address of the name is a server. Several are no mistake; the first in order
// of the addresses serves, whatever order the name server has; and the list follows the name at SIGHUP, and by itself when a
// server is lost. When the name does not resolve, the servers stay.
func TestF10PerAddress(t *testing.T) {
	t.Parallel()
	const second, third = "127.0.0.2", "127.0.0.3"
	n := newNamed(t, says{addresses: []string{second, goodIP}})
	ups := [3]*kit.Upstream{n.startUpstream(t, goodIP), n.startUpstream(t, second), n.startUpstream(t, third)}
	process, at := n.startClient(t, "-server-per-address")
	mustServe := func(what string, i int) {
		t.Helper()
		kit.Wait(t, patience, what, func() bool {
			for k, up := range ups {
				if (k == i) != (up.Open() == 1) || up.Open() > 1 {
					return false
				}
			}
			return true
		})
		kit.Dial(t, at).AwaitStatus(kit.Have(1, "id"), codec.StatusNotOK)
	}
	mustServe("the first address serves", 0)
	if strings.Contains(process.Stderr(), "several addresses") {
		t.Errorf("got %s, want no warning of several addresses", process.Stderr())
	}
	load := kit.StartLoad(t, at, 5, time.Millisecond)
	load.FirstServed(patience, time.Now())
	began := time.Now()
	n.names.say(says{addresses: []string{third, second}})
	process.Signal(syscall.SIGHUP)
	mustServe("the second address serves", 1)
	for _, o := range load.Stop() {
		if !o.Served && o.Asked.After(began) {
			kit.TooSlow(t, "got a request that failed %v after the change, want none", o.Asked.Sub(began))
		}
	}
	n.names.say(says{code: 3})
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "cannot resolve -server: addresses found before, if any, stay in use")
	mustServe("the second address still serves", 1)
	ups[1].Stop()
	mustServe("the third address serves", 2)
	n.names.say(says{addresses: []string{third, goodIP}})
	mustServe("the first address serves, which is new on the list", 0)
}

// TestF10PerAddressSpread: the addresses share the sessions.
func TestF10PerAddressSpread(t *testing.T) {
	t.Parallel()
	n := newNamed(t, says{addresses: []string{goodIP, "127.0.0.2"}})
	a, b := n.startUpstream(t, goodIP), n.startUpstream(t, "127.0.0.2")
	_, at := n.startClient(t, "-server-per-address", "-spread", "hash", "-loops", "2")
	kit.Wait(t, patience, "the connections", func() bool { return a.Open() == 2 && b.Open() == 2 })
	kit.Dial(t, at).AwaitStatus(kit.Have(1, "id"), codec.StatusNotOK)
}

// TestN13PerAddressWithoutNames: while no name resolves requests are answered at once, and served once it does.
func TestN13PerAddressWithoutNames(t *testing.T) {
	t.Parallel()
	n := newNamed(t, says{code: 3})
	n.startUpstream(t, goodIP)
	process, at := n.startClient(t, "-server-per-address")
	process.WaitStderr(patience, "cannot resolve -server: addresses found before, if any, stay in use")
	kit.Dial(t, at).AwaitStatus(kit.Have(1, "id"), codec.StatusDisconnected)
	n.names.say(says{addresses: []string{goodIP}})
	process.WaitStderr(patience, "now using this dc_server server=IP:127.0.0.1:"+cachePort)
	kit.Dial(t, at).AwaitStatus(kit.Have(1, "id"), codec.StatusNotOK)
}
