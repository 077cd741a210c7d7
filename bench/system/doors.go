package main

import (
	"context"

	"distcache/bench/protocols"
	"distcache/bench/record"
)

// doors are the targets that a terminator can ask for a session. All but the first are asked in memcached's text
// protocol, by the keys of Apache.
func doors(b builds) []*target {
	peer := twemproxy()
	peer.protocol = protocols.Apache
	return []*target{b.pair(), b.door(), peer}
}

// door is pair, asked by -memcached.
func (b builds) door() *target {
	return &target{
		name: nameDoor + b.suffix, about: "dc_client, asked in memcached's text protocol (-memcached); its upstream is dc_server",
		protocol: protocols.Apache,
		start: func(s *stage) error {
			if err := b.startServer(s, "UNIX:"+s.path("server"), defaultSessions); err != nil {
				return err
			}
			args := append([]string{"-listen", "UNIX:" + s.path("scache"), "-memcached", "UNIX:" + s.path(front), "-server", "UNIX:" + s.path("server")},
				b.clientFlags...)
			return s.startGo("dc_client", b.ours, args...)
		},
	}
}

// measureDoor drives the target as fast as it answers, from kept connections. Each client asks for sessions that it
// has stored before, or that are not there.
func measureDoor(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, true
	c.Preload = s.cell.Op == record.Hit
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}
