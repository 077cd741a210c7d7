package chaos

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// link is how dc_clients reach dc_server.
type link struct {
	redis          *kit.Redis   // where dc_server has its sessions; nil: in its memory, or in
	cluster        []*kit.Redis // this cluster with replicas
	ca             *kit.CA      // nil: plain
	server, client []string     // flags for TLS
}

func plainLink() *link { return &link{} }

// secureLink is TLS on both sides, with certificates that live as long as the test.
func secureLink(t *testing.T) *link {
	ca := kit.NewCA(t, "chaos CA")
	l := &link{ca: ca, server: ca.Issue("cache").Flags(ca)}
	l.client = append(ca.Issue("host").Flags(ca), "-tlsname", "cache")
	return l
}

// redisLink is plain, and dc_server's store is a Redis that keeps nothing over a restart.
func redisLink(t *testing.T) *link { return &link{redis: kit.StartRedis(t)} }

// clusterLink is plain, and dc_server's store is a cluster of three masters with a replica each.
func clusterLink(t *testing.T) *link { return &link{cluster: kit.StartRedisCluster(t, 3, 1)} }

// shared reports whether sessions outlive a dc_server.
func (l *link) shared() bool { return l.redis != nil || l.cluster != nil }

// listen is dc_server's flags.
func (l *link) listen(at kit.Endpoint) []string {
	if l.cluster != nil {
		var all []string
		for _, r := range l.cluster {
			all = append(all, r.Address())
		}
		return []string{"-listen", at.String(), "-store", "redis://" + strings.Join(all, ",")}
	}
	if l.redis != nil {
		return []string{"-listen", at.String(), "-store", "redis://" + l.redis.Address()}
	}
	if l.ca == nil {
		return []string{"-listen", at.String(), "-sessions", serverSessions}
	}
	return append([]string{"-listen", "TLS:" + at.Address, "-sessions", serverSessions}, l.server...)
}

// connect is dc_client's flags.
func (l *link) connect(server kit.Endpoint) []string {
	if l.ca == nil {
		return []string{"-server", server.String()}
	}
	return append([]string{"-server", "TLS:" + server.Address}, l.client...)
}

// faults are those that only TLS has, or only Redis.
func (l *link) faults() []fault {
	switch {
	case l.cluster != nil:
		return []fault{
			{"master killed", 3, func(n *nemesis) { n.killMaster(false) }},
			{replicaBehind, 3, func(n *nemesis) { n.killMaster(true) }},
		}
	case l.redis != nil:
		return []fault{{"Redis killed", 4, (*nemesis).killRedis}, {"Redis frozen", 4, (*nemesis).freezeRedis}}
	case l.ca == nil:
		return nil
	}
	return []fault{{"certificates renewed", 3, (*nemesis).renew}, {"link corrupted", 2, (*nemesis).corrupt}}
}

// killRedis ends the Redis as a crash does, and starts it anew: it has kept nothing.
func (n *nemesis) killRedis() {
	n.kills.record(n.between.redis.Kill)
	n.wait(0, 400*time.Millisecond)
	n.between.redis.Restart()
}

func (n *nemesis) freezeRedis() {
	n.between.redis.Signal(syscall.SIGSTOP)
	n.wait(20*time.Millisecond, time.Second)
	n.between.redis.Signal(syscall.SIGCONT)
}

// corrupt changes a bit in each connection, which plain connections would not notice.
func (n *nemesis) corrupt() {
	lane := n.lane(n.link)
	n.link.Reset() // those to come are counted from their beginning
	lane.Flip(1 + n.random.IntN(20_000))
	n.wait(20*time.Millisecond, time.Second)
	lane.Flip(0)
}

// renew replaces the certificates of all daemons, which read them anew; the next handshakes use them.
func (n *nemesis) renew() {
	l := n.between
	l.replace(n.t, l.server, "cache")
	l.replace(n.t, l.client, "host")
	for _, p := range append(n.agents[:len(n.agents):len(n.agents)], n.server) {
		p.Signal(syscall.SIGHUP)
	}
	n.link.Reset()
}

// replace writes a new pair into the files of these flags.
func (l *link) replace(t testing.TB, flags []string, name string) {
	t.Helper()
	pair := l.ca.Issue(name)
	for path, content := range map[string][]byte{flags[1]: pair.Cert, flags[3]: pair.Key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Error(err)
		}
	}
}
