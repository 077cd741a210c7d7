package engine

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// yielding makes idle clients of srv give way in the order in which they came; those of busy do not.
func (srv *server) yielding(busy map[int]bool) {
	srv.do(func() {
		order := []int{}
		srv.script.opened = func(c int) { order = append(order, c) }
		srv.clients.MakeRoom = func(time.Duration) bool {
			for i, c := range order {
				if srv.script.open[c] && !busy[c] && srv.clients.HangUpOn(c) {
					order = append(order[:i:i], order[i+1:]...)
					srv.script.close(c)
					return true
				}
			}
			return false
		}
	})
}

// TestFullMakesRoom: with all clients idle a newcomer is served, also where it would wait, and each
// takes the place of one.
func TestFullMakesRoom(t *testing.T) {
	const most, more = 8, 20
	for _, network := range networks {
		for _, pauses := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pauses=%v", network.name, pauses), func(t *testing.T) {
				srv := serve(t, &script{}, limits{max: most, tcp: network.tcp})
				srv.yielding(nil)
				srv.do(func() { srv.listener.Pauses = pauses })
				peers := srv.connectMany(most)
				srv.until("all clients", func() bool { return srv.clients.Len() == most })
				for i := range more {
					p := srv.connect()
					p.send("hello")
					p.expect("hello")
					peers = append(peers, p)
					waitFor(t, "end of the oldest", peers[i].ended)
					if peers[i+1].ended() {
						t.Fatalf("client %d was closed, want it left", i+1)
					}
				}
				srv.do(func() {
					if n := srv.clients.Len(); n != most || srv.listener.Refused != 0 {
						t.Errorf("got %d clients and %d refused, want %d and none", n, srv.listener.Refused, most)
					}
				})
				closeAll(peers)
			})
		}
	}
}

// TestFullOfBusy: when no client can go, newcomers are refused as without MakeRoom.
func TestFullOfBusy(t *testing.T) {
	const most, refused = 4, 100
	busy := map[int]bool{}
	srv := serve(t, &script{}, limits{max: most})
	srv.yielding(busy)
	peers := srv.connectMany(most)
	srv.until("all clients", func() bool { return srv.clients.Len() == most })
	srv.do(func() {
		for c := range srv.script.open {
			busy[c] = true
		}
	})
	for range refused {
		p := srv.connect()
		waitFor(t, "end of the refused", p.ended)
		p.close()
	}
	for _, p := range peers {
		p.send("hello")
		p.expect("hello")
	}
	srv.do(func() {
		if srv.listener.Refused != refused {
			t.Errorf("got %d refused, want %d", srv.listener.Refused, refused)
		}
	})
	closeAll(peers)
}

// TestHangUpOnLosesNothing: what a client sent before is served, and what it sends afterwards it knows
// it has not sent.
func TestHangUpOnLosesNothing(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	for _, sent := range []bool{false, true} {
		p := srv.connect()
		srv.until("the client", func() bool { return srv.clients.Len() == 1 })
		srv.do(func() {
			if sent {
				p.send("hello")
			}
			for c := range srv.script.open {
				if silent := srv.clients.HangUpOn(c); silent == sent {
					t.Errorf("got silent %v from one that has sent: %v", silent, sent)
				}
			}
			if _, err := unix.Write(p.fd, []byte("more")); err != unix.EPIPE {
				t.Errorf("a write afterwards: got %v, want EPIPE", err)
			}
		})
		if sent {
			p.expect("hello")
		}
		waitFor(t, "end", p.ended)
		srv.until("no client", func() bool { return srv.clients.Len() == 0 })
		p.close()
	}
}
