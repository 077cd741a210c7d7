package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"distcache/bench/procfs"
	"distcache/codec"
	"distcache/internal/test/kit"
)

// links are the connections of many dc_clients to one dc_server.
type links struct {
	t       *testing.T
	process *kit.Process
	all     []net.Conn
}

// TestManyLinks: a thousand dc_clients, plain and over TLS, are all served, and take no more memory than the bound of dc_server counts.
// With make sim it prints the figures of docs/SCALE.md: memory of dc_server and its CPU time, for each link.
func TestManyLinks(t *testing.T) {
	kit.SkipWithRaceDetector(t, "it measures memory")
	many := kit.Sized(50, 1000)
	for _, row := range []struct {
		name        string
		most, spare int64 // bytes: of one link, and for what the first handshakes leave to the collector
		dial        func(t *testing.T) (p *kit.Process, dial func() (net.Conn, error))
	}{
		{"plain", 4 << 10, 1 << 20, func(t *testing.T) (*kit.Process, func() (net.Conn, error)) {
			p := kit.NewRig(t).Start(program, "-listen", "IP:127.0.0.1:0")
			at := p.Listens()
			return p, func() (net.Conn, error) { return net.Dial(at.Network, at.Address) }
		}},
		{"TLS", 64 << 10, 8 << 20, func(t *testing.T) (*kit.Process, func() (net.Conn, error)) {
			s := startSecure(t)
			return s.process, func() (net.Conn, error) { return s.dial() }
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, dial := row.dial(t)
			l := &links{t: t, process: p}
			empty, begun := l.resident(), l.cpu()
			for range many {
				conn, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				_ = conn.SetDeadline(time.Now().Add(5 * patience))
				l.all = append(l.all, conn)
			}
			l.probe()
			connected := l.cpu() - begun
			grown := l.resident() - empty
			idle := l.during(kit.Sized(0, 10*time.Second), func() {})
			probed := l.during(kit.Sized(0, 10*time.Second), l.probe)
			t.Logf("%d links, %s: %d bytes of dc_server's memory for each (%d KiB in all); CPU time: %v for each connection with its probe, "+
				"%.2f %% of a core while idle, %.2f %% with a probe of each in a second; for one request of a link %v alone, %v where all ask at once",
				many, row.name, grown/int64(many), l.resident()>>10, (connected / time.Duration(many)).Round(time.Microsecond), 100*idle, 100*probed,
				l.perRequest(l.probe), l.perRequest(l.together))
			if most := row.most*int64(many) + row.spare; grown > most {
				t.Errorf("%d links, %s: got %d bytes for all, want %d at most", many, row.name, grown, most)
			}
		})
	}
}

// probe asks once on each link, as an idle dc_client does.
func (l *links) probe() {
	l.t.Helper()
	for i, conn := range l.all {
		if s, err := ask(conn, kit.Have(uint32(i), "nobody's")); err != nil || s != codec.StatusNotOK {
			l.t.Fatalf("link %d of %d: got %v, %v, want NOTOK", i, len(l.all), s, err)
		}
	}
}

// together has all links ask before any of them reads.
func (l *links) together() {
	l.t.Helper()
	request := kit.Have(1, "nobody's")
	for i, conn := range l.all {
		if _, err := conn.Write(request); err != nil {
			l.t.Fatalf("link %d of %d: %v", i, len(l.all), err)
		}
	}
	answer := make([]byte, len(kit.Status(1, codec.OpHave, codec.StatusNotOK)))
	for i, conn := range l.all {
		if _, err := io.ReadFull(conn, answer); err != nil {
			l.t.Fatalf("link %d of %d: %v", i, len(l.all), err)
		}
	}
}

// perRequest is the CPU time of dc_server for one request; ask makes one on each link.
func (l *links) perRequest(ask func()) time.Duration {
	l.t.Helper()
	rounds := kit.Sized(1, 20)
	used := l.cpu()
	for range rounds {
		ask()
	}
	return ((l.cpu() - used) / time.Duration(rounds*len(l.all))).Round(100 * time.Nanosecond)
}

// during does something every second for so long, and gives the part of a core that dc_server took.
func (l *links) during(length time.Duration, do func()) float64 {
	used, began := l.cpu(), time.Now()
	for n := time.Duration(0); n < length; n += time.Second {
		do()
		time.Sleep(time.Until(began.Add(n + time.Second)))
	}
	return float64(l.cpu()-used) / float64(max(time.Since(began), time.Millisecond))
}

// TestMillionSessions: a million sessions of 180 bytes, whose IDs have 32, take 35 bytes each at most besides what is in them.
func TestMillionSessions(t *testing.T) {
	kit.SkipWithRaceDetector(t, "it measures memory")
	kit.NeedFull(t, "stores a million sessions")
	const million, window, id, data = 1_000_000, 100, 32, 180
	p, at := start(t, "-sessions", fmt.Sprint(million))
	l := &links{t: t, process: p}
	conn, empty := kit.Dial(t, at), l.resident()
	content := strings.Repeat("x", data)
	for n := 0; n < million; n += window {
		var wire []byte
		for i := range window {
			wire = append(wire, kit.Add(uint32(i), fmt.Sprintf("%0*d", id, n+i), content, time.Hour)...)
		}
		conn.Send(wire)
		for i := range window {
			conn.Expect(kit.Status(uint32(i), codec.OpAdd, codec.StatusOK))
		}
	}
	each := (l.resident() - empty) / million
	t.Logf("%d sessions of %d + %d bytes: %d bytes of memory for each, %d MiB in all", million, id, data, each, l.resident()>>20)
	if most := int64(id + data + 35); each > most {
		t.Errorf("got %d bytes for each session, want %d at most", each, most)
	}
}

func (l *links) resident() int64 {
	l.t.Helper()
	n, err := procfs.Resident(l.process.PID())
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *links) cpu() time.Duration {
	l.t.Helper()
	d, err := procfs.CPUTime(l.process.PID())
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}
