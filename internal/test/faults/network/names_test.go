package network

import (
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
			load := kit.StartLoad(t, at, 20, 5*time.Millisecond)
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
