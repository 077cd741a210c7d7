package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestN12OneConnectPerStep: a dc_server ends each connection at once, or after it has answered
// the probe. dc_client connects at most once in each -retry, however many clients ask. Clients
// are served soon after the server stops doing so.
func TestN12OneConnectPerStep(t *testing.T) {
	t.Parallel()
	const step = 100 * time.Millisecond
	steps := 15
	if !kit.Full() {
		steps = 6
	}
	for _, row := range []struct {
		name  string
		storm func(up *kit.Upstream)
	}{
		{"closed at once", func(up *kit.Upstream) { up.OnConnect((*kit.Exchange).Close) }},
		{"reset at once", func(up *kit.Upstream) { up.OnConnect((*kit.Exchange).Reset) }},
		{"closed after the probe", func(up *kit.Upstream) {
			up.On(func(q kit.Request) bool { return q.Number == 1 }).Do(func(x *kit.Exchange) {
				x.Write(x.Answer)
				x.Close()
			})
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			up := kit.NewUpstream(t, kit.Loopback())
			_, at := kit.NewRig(t).Client(up.Endpoint(), millis("-timeout", timeout), millis("-retry", step))
			load := kit.StartLoad(t, at, 20, time.Millisecond)
			load.FirstServed(patience, time.Now())
			row.storm(up)
			began := time.Now()
			up.CloseAll()
			kit.Wait(t, patience, "attempts", func() bool { return up.Conns() > steps })
			took := time.Since(began)
			// The first follows at once, since the connection had lasted; jitter takes up to
			// a fifth off.
			if made := up.Conns() - 1; float64(made) > 2+float64(took)/float64(step*4/5) {
				t.Errorf("got %d connections in %v, want one in %v at most", made, took, step*4/5)
			}
			jitter.MustTake(t, fmt.Sprint(steps, " attempts"), took, step*4/5*time.Duration(steps-2), step*time.Duration(steps)+kit.Promptly)
			up.Honest()
			took = load.FirstServed(patience, time.Now())
			jitter.MustTake(t, "service", took, 0, step+kit.Promptly)
			if slowest := kit.Slowest(load.Stop()); slowest > timeout+jitter.Allowance() {
				kit.TooSlow(t, "got an answer after %v, want all within %v", slowest, timeout)
			}
		})
	}
}

// TestN12PortsUsedUp: all local ports are in TIME_WAIT when dc_client must connect again.
// Clients are answered DISCONNECTED at once, and served soon after a port is free.
func TestN12PortsUsedUp(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	namespace := newNamespace(t)
	var up *kit.Upstream
	within(t, namespace, func() { up = kit.NewUpstream(t, kit.Loopback()) })
	process, at := inNamespace(t, namespace).Client(up.Endpoint(), millis("-timeout", timeout), millis("-retry", retry))
	client := kit.Dial(t, at)
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)

	const failure, tries = "cannot assign requested address", 10
	for try := range tries {
		said := len(process.Stderr())
		// Each try has ports of its own: that of dc_client's connection is free after its end.
		useUpPorts(t, namespace, fmt.Sprintf("%d %d", 40_000+10*try, 40_003+10*try), up.Endpoint())
		up.CloseAll()
		kit.Within(time.Second, func() bool { return strings.Contains(process.Stderr()[said:], failure) })
		slowest, served := untilServed(client, 3*retry)
		lines := strings.Count(process.Stderr()[said:], failure)
		if !served {
			jitter.MustTake(t, "answers", slowest, 0, kit.Promptly)
			if lines != 1 {
				t.Errorf("got %d lines with %q, want one:\n%s", lines, failure, process.Stderr()[said:])
			}
			break
		}
		if try == tries-1 {
			t.Fatal("dc_client finds a port each time, where this process finds none")
		}
	}
	setPorts(t, namespace, "32768 60999")
	freed := time.Now()
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	jitter.MustTake(t, "service once there are ports", time.Since(freed), 0, retry+kit.Promptly)
}

// untilServed asks for a while, or until dc_server's answer comes. It gives the longest wait for
// an answer of dc_client's own.
func untilServed(client *kit.Client, limit time.Duration) (slowest time.Duration, served bool) {
	for began := time.Now(); time.Since(began) < limit; time.Sleep(time.Millisecond) {
		asked := time.Now()
		if client.Answer(kit.Have(1, "nobody's"))[0] != byte(codec.StatusDisconnected) {
			return slowest, true
		}
		slowest = max(slowest, time.Since(asked))
	}
	return slowest, false
}

// useUpPorts leaves the namespace as many ports as the range has, and connects and closes
// until there is none to connect from.
func useUpPorts(t *testing.T, namespace, ports string, to kit.Endpoint) {
	t.Helper()
	setPorts(t, namespace, ports)
	var failed error
	within(t, namespace, func() {
		// Else a port is used again after a second, on the loopback interface.
		if failed = os.WriteFile("/proc/sys/net/ipv4/tcp_tw_reuse", []byte("0"), 0); failed != nil {
			return
		}
		for failed == nil {
			var conn net.Conn
			if conn, failed = net.Dial(to.Network, to.Address); failed == nil {
				_ = conn.Close()
			}
		}
	})
	if !errors.Is(failed, unix.EADDRNOTAVAIL) {
		t.Fatalf("got %v, want %v", failed, unix.EADDRNOTAVAIL)
	}
}

func setPorts(t *testing.T, namespace, ports string) {
	t.Helper()
	var err error
	within(t, namespace, func() { err = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ports), 0) })
	if err != nil {
		t.Fatal(err)
	}
}
