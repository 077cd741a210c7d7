package redis

import (
	"crypto/tls"
	"net"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestIdleConnectionsThatEnded: a server that has ended its idle connections, as one that is started again does, costs no
// request, also over TLS, whether it took leave or not.
func TestIdleConnectionsThatEnded(t *testing.T) {
	t.Parallel()
	closes := func(c net.Conn) { _ = c.Close() }
	for _, row := range []struct {
		name, scheme string
		end          func(c net.Conn)
	}{
		{"plain", "redis", closes},
		{"TLS", "rediss", closes},
		{"TLS, killed", "rediss", func(c net.Conn) { _ = c.(*tls.Conn).NetConn().Close() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f, config := newSecureFake(t, honest)
			if row.scheme == "redis" {
				f = newFake(t, honest)
			}
			l := startLive(t, row.scheme+"://"+f.address+"?mode=single", patientTimeout, func(n *Net) { n.SetTLS(config) })
			failed := 1
			for attempt := 0; failed > 0 && attempt < 3; attempt++ { // on a busy machine the loopback may be slow to tell an end
				failed = l.afterIdle(f, row.end)
			}
			if failed > 0 {
				t.Errorf("got %d requests failed, each time, and %v told, want none", failed, l.all())
			}
		})
	}
}

// afterIdle ends the connections while they are idle, and tells how many of the requests after that fail.
func (l *live) afterIdle(f *fake, end func(c net.Conn)) (failed int) {
	l.t.Helper()
	l.served()
	for range 2 * connections { // each has a connection
		l.must(codec.OpGet, "id", "", codec.StatusNotOK)
	}
	f.mu.Lock()
	open := len(f.open)
	for c := range f.open {
		end(c)
	}
	f.mu.Unlock()
	if open != connections {
		l.t.Fatalf("got %d idle connections, want %d", open, connections)
	}
	kit.Wait(l.t, kit.Patience, "their end", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.open) == 0
	})
	told := len(l.all())
	for range 2 * connections {
		if l.do(codec.OpGet, "id", "", 0).status != codec.StatusNotOK {
			failed++
		}
	}
	if more := l.all()[told:]; failed == 0 && len(more) > 0 {
		l.t.Errorf("got %v told, want nothing", more)
	}
	return failed
}

// TestALostServerIsDialedAnew: when one connection turns out to be dead, the others are not tried one after the other.
func TestALostServerIsDialedAnew(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	r.ask(codec.OpGet, "1")
	r.pass(150 * ms) // no answer, and no end: a firewall that has forgotten the connection
	r.pass(probePause)
	r.probed("a:1", failure(Late, "no answer in time"))
	if l.redials != 1 || l.hungUp != 0 {
		t.Errorf("got %d redials and %d hang-ups, want 1 and none", l.redials, l.hungUp)
	}
	r.pass(probePause)
	r.alive("a:1")
	r.ask(codec.OpGet, "2")
	l.finish(len(l.running)-1, always(failure(Connection, "connection reset")))
	if l.redials != 2 {
		t.Errorf("lost again: got %d redials, want 2", l.redials)
	}
}
