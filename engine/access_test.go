package engine

import (
	"os"
	"testing"

	"distcache/engine/socket"
)

// TestAccess: peers that are named are served; others see the end at once, are counted, and
// leave room for those that are named.
func TestAccess(t *testing.T) {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	for _, row := range []struct {
		name   string
		access *socket.Access
		tcp    bool
		served bool
	}{
		{"all", nil, false, true},
		{"no one", &socket.Access{}, false, false},
		{"this user", &socket.Access{Users: []uint32{uid + 1, uid}}, false, true},
		{"another user", &socket.Access{Users: []uint32{uid + 1}}, false, false},
		{"this group", &socket.Access{Users: []uint32{uid + 1}, Groups: []uint32{gid + 1, gid}}, false, true},
		{"another group", &socket.Access{Groups: []uint32{unlikely}}, false, false},
		{"over TCP, where the kernel tells nothing", &socket.Access{}, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			const many = 3
			srv := serve(t, &script{}, limits{tcp: row.tcp, max: many})
			srv.do(func() { srv.listener.Access = row.access })
			peers := srv.connectMany(many)
			for _, p := range peers {
				if row.served {
					p.send("hello")
					p.expect("hello")
				} else {
					waitFor(t, "end of the peer", p.ended)
				}
			}
			srv.do(func() {
				denied := map[bool]uint64{true: 0, false: many}[row.served]
				if ln := srv.listener; ln.Denied != denied || ln.Refused != 0 || int(srv.clients.total.Load()) != many-int(denied) {
					t.Errorf("got %d denied, %d refused, %d clients, want %d, 0, %d", ln.Denied, ln.Refused, int(srv.clients.total.Load()), denied, many-int(denied))
				}
			})
			closeAll(peers)
		})
	}
}

// unlikely is a group that a process has only if a test gave it.
const unlikely = 747_474

// TestAccessOfTheBacklog: those who connected before Listen are no exception, and neither are
// those whom Stop accepts.
func TestAccessOfTheBacklog(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	var peers []peer
	srv.do(func() {
		srv.listener.Access = &socket.Access{}
		peers = srv.connectMany(3)
		srv.listener.Stop()
		if n := int(srv.clients.total.Load()); n != 0 || srv.listener.Denied != 3 {
			t.Errorf("got %d clients and %d denied, want 0 and 3", n, srv.listener.Denied)
		}
	})
	for _, p := range peers {
		waitFor(t, "end of the peer", p.ended)
	}
	closeAll(peers)
}

// TestAccessWhenFull: a full server asks for no credentials.
func TestAccessWhenFull(t *testing.T) {
	srv := serve(t, &script{}, limits{max: 1})
	first := srv.connect()
	first.send("hello")
	first.expect("hello")
	srv.do(func() { srv.listener.Access = &socket.Access{} })
	second := srv.connect()
	waitFor(t, "end of the second", second.ended)
	srv.do(func() {
		if ln := srv.listener; ln.Refused != 1 || ln.Denied != 0 {
			t.Errorf("got %d refused and %d denied, want 1 and 0", ln.Refused, ln.Denied)
		}
	})
	closeAll([]peer{first, second})
}
