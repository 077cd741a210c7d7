package main

import (
	"distcache/bench/load"
	"distcache/bench/protocols"
)

// defaultSessions is dc_server's default for -sessions, and the least that a store is started for.
const defaultSessions = 100_000

// stores are the targets that hold sessions, each started for so many.
func stores(b builds, sessions int) []*target {
	return []*target{b.server(sessions), memcached(sessions), redis()}
}

func (b builds) server(sessions int) *target {
	return &target{
		name: nameServer + b.suffix, about: "dc_server, in memory", protocol: load.Distcache,
		start: func(s *stage) error { return b.startServer(s, front, max(sessions, defaultSessions)) },
	}
}

// fullServer is a dc_server that is full with so many sessions.
func (b builds) fullServer(sessions int) *target {
	t := b.server(sessions)
	t.start = func(s *stage) error { return b.startServer(s, front, sessions) }
	return t
}

func memcached(sessions int) *target {
	return &target{
		name: nameMemcached, about: "Debian's memcached, one thread",
		programs: []string{"memcached"}, protocol: protocols.Memcached,
		start: func(s *stage) error { return startMemcached(s, front, max(sessions, defaultSessions)) },
	}
}

func redis() *target {
	return &target{
		name: nameRedis, about: "Debian's redis-server, nothing written to disk",
		programs: []string{"redis-server"}, protocol: protocols.Redis,
		start: func(s *stage) error {
			return s.startInstalled("redis-server", "--port", "0", "--unixsocket", s.path(front), "--save", "", "--appendonly", "no")
		},
	}
}
