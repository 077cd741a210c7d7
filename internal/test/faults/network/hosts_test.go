package network

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// hosts are machines on one switch, each a namespace with its own daemons. They know each other by name.
type hosts struct {
	t          *testing.T
	namespaces map[string]string // by host
	addresses  map[string]string
	names      string // the file that stands for /etc/hosts on all of them
}

// newHosts makes them, until the test ends.
func newHosts(t *testing.T, names ...string) *hosts {
	t.Helper()
	h := &hosts{t: t, namespaces: map[string]string{}, addresses: map[string]string{}}
	hub := newNamespace(t)
	run(t, "ip", "-n", hub, "link", "add", "hub", "type", "bridge")
	run(t, "ip", "-n", hub, "link", "set", "hub", "up")
	text := "127.0.0.1 localhost\n"
	for i, name := range names {
		ns, port, at := newNamespace(t), fmt.Sprint("p", i), fmt.Sprint("10.11.14.", 1+i)
		run(t, "ip", "link", "add", wire, "netns", ns, "type", "veth", "peer", "name", port, "netns", hub)
		run(t, "ip", "-n", hub, "link", "set", port, "master", "hub", "up")
		run(t, "ip", "-n", ns, "addr", "add", at+"/24", "dev", wire)
		run(t, "ip", "-n", ns, "link", "set", wire, "up")
		h.namespaces[name], h.addresses[name] = ns, at
		text += at + " " + name + "\n"
	}
	h.names = kit.WriteFile(t, "hosts", []byte(text), 0o644)
	return h
}

// on is the rig whose commands run on that host, in a directory.
func (h *hosts) on(host, directory string) kit.Rig {
	const script = `mount --bind "$1" /etc/hosts && shift && exec "$@"` // ip(8) gives each command mounts of its own
	rig := inNamespace(h.t, h.namespaces[host])
	return kit.NewRig(h.t).Within(func(c kit.Command) kit.Command {
		c.Args = append([]string{"-c", script, "sh", h.names, c.Path}, c.Args...)
		c.Path, c.Dir = "/bin/sh", directory
		return rig.Wrap(c)
	})
}

// redisNode is a redis-server of a cluster on a host of its own. It keeps its place in the cluster over a restart, and no session.
type redisNode struct {
	*kit.Process
	hosts     *hosts
	host      string
	directory string
}

// startRedisCluster starts a cluster with the settings of docs/STORE.md on these hosts, the second half of them replicas.
func (h *hosts) startRedisCluster(names ...string) (all []*redisNode) {
	h.t.Helper()
	create := []string{"--cluster", "create"}
	for _, name := range names {
		n := &redisNode{hosts: h, host: name, directory: h.t.TempDir()}
		n.restart()
		all = append(all, n)
		create = append(create, net.JoinHostPort(h.addresses[name], "6379"))
	}
	text, err := all[0].cli(append(create, "--cluster-yes", "--cluster-replicas", "1")...)
	if err != nil {
		h.t.Fatalf("redis-cli %q: %v: %s", create, err, text)
	}
	for _, n := range all {
		kit.Wait(h.t, patience, "cluster to serve", n.inService)
	}
	return all
}

// restart starts it anew. It has ended, or was never started.
func (n *redisNode) restart() {
	n.hosts.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		n.hosts.t.Fatal(err)
	}
	n.Process = n.hosts.on(n.host, n.directory).Wrap(kit.Command{Path: path, Args: []string{"--port", "6379", "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
		"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"}}).Start(n.hosts.t)
	kit.Wait(n.hosts.t, patience, "answer of redis-server: "+n.Stdout(), func() bool { return n.ask("ping") == "PONG" })
}

// inService reports whether it is a master, or a replica that could become one.
func (n *redisNode) inService() bool {
	return (n.isMaster() || strings.Contains(n.ask("info", "replication"), "master_link_status:up")) &&
		strings.Contains(n.ask("cluster", "info"), "cluster_state:ok")
}

func (n *redisNode) isMaster() bool { return strings.HasPrefix(n.ask("role"), "master") }

// slots are those that it has as a master.
func (n *redisNode) slots() (all map[int]bool) {
	all = map[int]bool{}
	for line := range strings.Lines(n.ask("cluster", "nodes")) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.Contains(fields[2], "myself") {
			continue
		}
		for _, part := range fields[8:] {
			var first, last int
			if k, _ := fmt.Sscanf(part, "%d-%d", &first, &last); k == 1 {
				last = first
			} else if k != 2 {
				continue
			}
			for slot := first; slot <= last; slot++ {
				all[slot] = true
			}
		}
	}
	return all
}

// ask runs a command by redis-cli on its host; what it prints while it is away is no answer.
func (n *redisNode) ask(words ...string) string {
	text, _ := n.cli(words...)
	return text
}

func (n *redisNode) cli(words ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", n.hosts.namespaces[n.host], "redis-cli"}, words...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
