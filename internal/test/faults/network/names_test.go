package network

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// goodIP is where a dc_server of these tests listens.
const goodIP = "127.0.0.1"

// TestN13NameDoesNotResolve: while the name does not resolve, for whatever reason, requests are
// answered at once. Once it resolves, dc_client connects.
func TestN13NameDoesNotResolve(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		says says
	}{
		{"NXDOMAIN", says{code: 3}},
		{"SERVFAIL", says{code: 2}},
		{"silent", says{silent: true}},
		{"20 s late", says{late: 20 * time.Second, addresses: []string{goodIP}}},
		{"no records", says{}},
		{"an alias of itself", says{loops: true}},
		{"addresses of nobody", says{addresses: loopbacks(3, "127.0.1.9")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.says.silent || row.says.late > 0 {
				kit.NeedFull(t, "waits for the resolver's timeouts")
			}
			n := newNamed(t, row.says)
			n.startUpstream(t, goodIP)
			process, at := n.startClient(t)
			jitter := kit.MeasureJitter(t)
			process.WaitStderr(patience, "no connection to dc_server")
			down := time.Now()
			load := kit.StartLoad(t, at, 20, kit.Sized(20*time.Millisecond, 5*time.Millisecond))
			asked := n.names.wasAsked()
			kit.Wait(t, patience, "queries", func() bool { return n.names.wasAsked() > asked+2 })
			time.Sleep(retry)
			p99 := kit.Quantile(load.Since(down), 0.99)
			jitter.MustTake(t, "p99 while it does not resolve", p99, 0, 5*time.Millisecond)

			n.names.say(says{addresses: []string{goodIP}})
			back := time.Now()
			took := load.FirstServed(patience, back)
			all := load.Stop()
			t.Logf("%d requests, p99 %v before; service after %v", len(all), p99, took)
			jitter.MustTake(t, "service", took, 0, attempt+retry+100*time.Millisecond)
		})
	}
}

// TestN13ManyAddresses: all are tried, whichever of them is alive.
func TestN13ManyAddresses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		addresses []string
	}{
		{"one", []string{goodIP}},
		{"IPv4 alone", []string{goodIP, "127.0.1.1"}},
		{"50 records, the last alive", loopbacks(49, goodIP)},
		{"IPv6 first, which refuses", []string{"::1", goodIP}},
		{"IPv6 first, without a route", []string{"2001:db8::1", goodIP}},
		{"both, many dead", append([]string{"2001:db8::1", "2001:db8::2", "::1"}, loopbacks(20, goodIP)...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := newNamed(t, says{addresses: row.addresses})
			n.startUpstream(t, goodIP)
			jitter := kit.MeasureJitter(t)
			began := time.Now()
			process, at := n.startClient(t)
			process.WaitStderr(patience, "connected to dc_server")
			jitter.MustTake(t, "connection", time.Since(began), 0, attempt+retry)
			kit.Dial(t, at).AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		})
	}
}

// TestN13N14AddressChanges: an open connection stays where it is; when it ends, the name is
// looked up again. Where that fails the addresses from before are kept.
func TestN13N14AddressChanges(t *testing.T) {
	t.Parallel()
	const other = "127.0.0.2"
	n := newNamed(t, says{addresses: []string{goodIP}})
	old, next := n.startUpstream(t, goodIP), n.startUpstream(t, other)
	process, at := n.startClient(t)
	process.WaitStderr(patience, "connected to dc_server")
	client := kit.Dial(t, at)
	n.names.say(says{addresses: []string{other}})
	for range 20 {
		client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		time.Sleep(10 * time.Millisecond)
	}
	if old.Conns() != 1 || next.Conns() != 0 {
		t.Errorf("got %d and %d connections, want the first to stay where it is", old.Conns(), next.Conns())
	}

	old.CloseAll()
	kit.Wait(t, patience, "connection to the new address", func() bool { return next.Open() == 1 })
	n.names.say(says{code: 3})
	next.CloseAll()
	kit.Wait(t, patience, "connection to the last address known", func() bool { return next.Conns() == 2 })
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	if old.Conns() != 1 {
		t.Errorf("got %d connections to the old address, want the first alone", old.Conns())
	}
}

// TestF10HangupMoves: SIGHUP resolves the name anew. The connection moves when its address is not
// among those found, and no request fails for that; else it stays, and a line says so.
func TestF10HangupMoves(t *testing.T) {
	t.Parallel()
	const other = "127.0.0.2"
	n := newNamed(t, says{addresses: []string{goodIP}})
	old, next := n.startUpstream(t, goodIP), n.startUpstream(t, other)
	process, at := n.startClient(t)
	process.WaitStderr(patience, "connected to dc_server")
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "the addresses of dc_server have not changed")

	n.names.say(says{code: 3})
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "SIGHUP: cannot resolve -server: nothing changes")

	n.names.say(says{addresses: []string{"127.0.1.9"}}) // where nothing listens
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "could not move to another address of dc_server; SIGHUP tries again")

	load := kit.StartLoad(t, at, 20, time.Millisecond)
	load.FirstServed(patience, time.Now())
	began := time.Now()
	n.names.say(says{addresses: []string{other}})
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "moving to another address of dc_server server=IP:"+serverName+":"+cachePort+" from="+goodIP+":"+cachePort+" to="+other+":"+cachePort)
	kit.Wait(t, patience, "end of the old connection", func() bool { return old.Open() == 0 && next.Open() == 1 })
	load.FirstServed(patience, time.Now())
	for _, o := range load.Stop() {
		if !o.Served && o.Asked.After(began) { // it was answered, or not in time
			kit.TooSlow(t, "got a request that failed %v after the change, want none", o.Asked.Sub(began))
		}
	}
	if old.Conns() != 1 || next.Conns() != 1 || strings.Contains(process.Stderr(), "lost dc_server") {
		t.Errorf("got %d and %d connections, want one each and none lost", old.Conns(), next.Conns())
	}
}

// TestF10SeveralAddresses: they split a site's cache, which is said once.
func TestF10SeveralAddresses(t *testing.T) {
	t.Parallel()
	n := newNamed(t, says{addresses: []string{goodIP, "127.0.0.2"}})
	up := n.startUpstream(t, goodIP)
	process, _ := n.startClient(t, "-loops", "3")
	const line = "the name of dc_server has several addresses"
	process.WaitStderr(patience, line)
	kit.Wait(t, patience, "connections", func() bool { return up.Open() == 3 })
	up.CloseAll()
	kit.Wait(t, patience, "new connections", func() bool { return up.Conns() >= 6 })
	if got := strings.Count(process.Stderr(), line); got != 1 {
		t.Errorf("got the line %d times, want it once", got)
	}
	if want := `addresses="127.0.0.1:` + cachePort + `, 127.0.0.2:` + cachePort + `"`; !strings.Contains(process.Stderr(), want) {
		t.Errorf("got %s, want %s", process.Stderr(), want)
	}
}

// TestF10OneHostWithTwoFamilies: an IPv4 and an IPv6 address are no reason to warn.
func TestF10OneHostWithTwoFamilies(t *testing.T) {
	t.Parallel()
	n := newNamed(t, says{addresses: []string{"::1", goodIP}})
	n.startUpstream(t, goodIP)
	process, _ := n.startClient(t)
	process.WaitStderr(patience, "connected to dc_server")
	if strings.Contains(process.Stderr(), "several addresses") {
		t.Errorf("got %s, want no warning", process.Stderr())
	}
}

// TestN13HostsChange: what /etc/hosts says is looked at again, too.
func TestN13HostsChange(t *testing.T) {
	t.Parallel()
	n := newNamed(t, says{code: 3})
	n.startUpstream(t, goodIP)
	process, at := n.startClient(t)
	process.WaitStderr(patience, "no connection to dc_server")
	n.writeHosts(t, "127.0.0.1 localhost "+serverName+"\n")
	process.WaitStderr(patience, "connected to dc_server")
	kit.Dial(t, at).AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
}
