package engine

import (
	"bytes"
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestUrgentBytes has clients send bytes out of band: alone, amid others, to a server that
// does not read, and to one that waits to write. None of that makes the loop spin.
func TestUrgentBytes(t *testing.T) {
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			f := newFeeding(30 << 10)
			paused := false
			f.buffer = func(int) []byte {
				if paused {
					return nil
				}
				return f.memory
			}
			f.received = func(c int, b []byte) {
				if b = bytes.ReplaceAll(b, []byte("!"), nil); len(b) == 0 { // they may be part of the stream
					return
				}
				if b[0] == 'f' {
					f.feed(c)
					return
				}
				f.write(c, b)
			}
			srv := serve(t, f.script, limits{tcp: network.tcp})
			p := srv.connect()
			urgent := func() {
				if err := unix.Sendto(p.fd, []byte("!"), unix.MSG_OOB, nil); err != nil {
					t.Skipf("this kernel has no out-of-band bytes here: %v", err)
				}
			}
			defer p.close()
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
			p.send("ab")
			p.expect("ab")
			urgent()
			p.send("cd")
			p.expect("cd")
			kit.MustIdle(t, kit.OwnCPU, 0.05)

			srv.do(func() { paused = true })
			p.send("ef")
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
			srv.do(func() {
				paused = false
				for c := range f.open {
					srv.clients.Resume(c)
				}
			})
			p.expect("ef")

			p.send("f")
			srv.until("held bytes", func() bool { return srv.pool.Lent() > 0 })
			urgent()
			kit.MustIdle(t, kit.OwnCPU, 0.05)
		})
	}
}
