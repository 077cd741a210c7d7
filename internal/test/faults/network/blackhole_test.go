package network

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestN02N05N15LostPackets drops all packets of an established connection. Waiting clients are
// answered in time. dc_client notices the loss within three timeouts, and serves again soon
// after the network is back.
func TestN02N05N15LostPackets(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		lose, heal func(n *lan)
	}{
		{"N02 both ways", func(n *lan) { n.loseRequests(); n.loseAnswers() }, (*lan).heal},
		{"N05 requests", (*lan).loseRequests, (*lan).heal},
		{"N05 answers", (*lan).loseAnswers, (*lan).heal},
		{"N15 the client's link goes down", func(n *lan) { n.ip("-n", n.client, "link", "set", wire, "down") },
			func(n *lan) { n.ip("-n", n.client, "link", "set", wire, "up") }},
		{"N15 the server's link goes down", func(n *lan) { n.ip("-n", n.server, "link", "set", wire, "down") },
			func(n *lan) { n.ip("-n", n.server, "link", "set", wire, "up") }},
		{"N15 the client's address is removed", func(n *lan) { n.ip("-n", n.client, "addr", "del", clientIP+"/24", "dev", wire) },
			func(n *lan) { n.ip("-n", n.client, "addr", "add", clientIP+"/24", "dev", wire) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := newLAN(t)
			n.startServer()
			process, at := n.startClient(millis("-timeout", timeout), millis("-retry", retry))
			jitter := kit.MeasureJitter(t)
			load := kit.StartLoad(t, at, 20, kit.Sized(20*time.Millisecond, 5*time.Millisecond))
			load.FirstServed(patience, time.Now())

			row.lose(n)
			lost := time.Now()
			process.WaitStderr(patience, "lost dc_server")
			jitter.MustTake(t, "loss of the link", time.Since(lost), 0, 4*timeout+kit.Promptly)
			down := time.Now()
			time.Sleep(attempt + retry) // an attempt, and its end
			p99 := kit.Quantile(load.Since(down), 0.99)
			jitter.MustTake(t, "p99 while it is known", p99, 0, 5*time.Millisecond)

			row.heal(n)
			back := time.Now()
			took := load.FirstServed(patience, back)
			all := load.Stop()
			t.Logf("%d requests, the slowest took %v, p99 %v while down; service came back after %v", len(all), kit.Slowest(all), p99, took)
			jitter.MustTake(t, "slowest answer", kit.Slowest(all), 0, timeout+kit.Promptly)
			jitter.MustTake(t, "service", took, 0, attempt+retry+100*time.Millisecond)
		})
	}
}

// TestF11LostSYN: a firewall that drops the packets has a reason of its own, and the line has the
// address.
func TestF11LostSYN(t *testing.T) {
	t.Parallel()
	n := newLAN(t)
	n.startServer()
	n.loseRequests()
	process, _ := inNamespace(t, n.client).Unlinked(kit.Endpoint{Network: "tcp", Address: serverIP + ":" + cachePort}, millis("-retry", retry))
	process.WaitStderr(patience, "no answer to SYN: a firewall, a host that is down, or a full backlog")
	process.WaitStderr(patience, " address="+serverIP+":"+cachePort+" ")
}

// TestN03HealAroundTheTimeout lets packets through again just before and just after requests
// time out. Retransmitted requests are answered late. No client gets an answer twice, or the
// answer to another request.
func TestN03HealAroundTheTimeout(t *testing.T) {
	t.Parallel()
	n := newLAN(t)
	n.startServer()
	_, at := n.startClient(millis("-timeout", timeout), millis("-retry", retry))
	load := kit.StartLoad(t, at, 20, 2*time.Millisecond)
	for round, early := range []time.Duration{10, 5, 2, 0, -2, -5, -10, -50} {
		load.FirstServed(patience, time.Now())
		if round%2 == 0 {
			n.loseAnswers() // those requests were carried out
		} else {
			n.loseRequests()
		}
		time.Sleep(timeout - early*time.Millisecond)
		n.heal()
	}
	load.FirstServed(patience, time.Now())
	served := 0
	for _, o := range load.Stop() {
		if o.Served {
			served++
		}
	}
	if served < 100 {
		kit.TooSlow(t, "got %d requests served, want 100 and more", served)
	}
}

// TestN04ServerHostGone: the server's host disappears without a packet while no client asks.
// dc_client notices before the next request, which therefore need not wait.
func TestN04ServerHostGone(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	n := newLAN(t)
	server := n.startServer()
	process, at := n.startClient(millis("-timeout", timeout), millis("-retry", retry))
	client := kit.Dial(t, at)
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	n.loseAnswers() // and the end of the connection with them
	n.loseRequests()
	server.Kill()
	gone := time.Now()
	process.WaitStderr(patience, "lost dc_server")
	jitter.MustTake(t, "loss of the link", time.Since(gone), 0, 5*time.Second+3*timeout+kit.Promptly)
	asked := time.Now()
	client.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusDisconnected)
	jitter.MustTake(t, "answer", time.Since(asked), 0, 5*time.Millisecond)
}

// TestN04WithoutTimeout: with -timeout 0 the kernel notices a host that is gone, by bytes
// that are not acknowledged for 10 s, or by its probes of an idle connection.
func TestN04WithoutTimeout(t *testing.T) {
	t.Parallel()
	kit.NeedFull(t, "takes the 17 s that the kernel takes")
	for _, row := range []struct {
		name string
		ask  bool
	}{{"with a request in flight", true}, {"idle", false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := newLAN(t)
			n.startServer()
			process, at := n.startClient("-timeout=0", millis("-retry", retry))
			client := kit.Dial(t, at)
			client.SetPatience(patience)
			client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
			n.loseAnswers()
			n.loseRequests()
			gone := time.Now()
			if row.ask {
				client.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusDisconnected)
			}
			process.WaitStderr(patience, "lost dc_server")
			if took := time.Since(gone); took > 19*time.Second {
				kit.TooSlow(t, "got the loss after %v, want 19s at the most", took)
			} else {
				t.Logf("noticed after %v", took)
			}
		})
	}
}
