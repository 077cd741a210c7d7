package kit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Redis is a redis-server of a test, on loopback and without files that outlive it.
type Redis struct {
	*Process
	Port      int
	t         testing.TB
	directory string // where a cluster keeps who is who
	flags     []string
}

// NeedRedis skips a test where redis-server or redis-cli is not installed.
func NeedRedis(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + ": apt-get install redis-server")
		}
	}
}

// StartRedis starts a redis-server with further flags, and waits until it answers.
func StartRedis(t testing.TB, flags ...string) *Redis {
	t.Helper()
	return StartRedisAt(t, FreePort(t), flags...)
}

// StartRedisAt is StartRedis at a port.
func StartRedisAt(t testing.TB, port int, flags ...string) *Redis {
	t.Helper()
	NeedRedis(t)
	r := &Redis{Port: port, t: t, directory: t.TempDir(), flags: flags}
	r.Restart()
	return r
}

// firstPort and numPorts are the range of FreePort. It is below the ephemeral ports, which the kernel gives to connections
// and to those that listen at port 0. So are the ports 10,000 higher, at which a server of a cluster listens too.
const firstPort, numPorts = 11000, 10000

// FreePort gives a port of 127.0.0.1 that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	for range numPorts {
		port := firstPort + rand.IntN(numPorts)
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatalf("got no free port from %d on", firstPort)
	return 0
}

// Restart starts it anew, at the same port. It has ended, or was never started.
func (r *Redis) Restart() {
	r.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		r.t.Fatal(err)
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(r.Port), "--dir", r.directory, "--save", "", "--daemonize", "no",
		"--loglevel", "notice"}, r.flags...)
	r.Process = Start(r.t, path, args...)
	Wait(r.t, Patience, "answer of redis-server: "+r.Stdout(), func() bool {
		c, err := net.Dial("tcp", r.Address())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// StartRedisCluster starts a cluster of so many masters, with so many replicas each, and waits until it serves. A server that
// does not answer is given up after a second.
func StartRedisCluster(t testing.TB, masters, replicas int) []*Redis {
	t.Helper()
	NeedRedis(t)
	var all []*Redis
	args := []string{"--cluster", "create"}
	for range masters * (1 + replicas) {
		r := StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
		all = append(all, r)
		args = append(args, r.Address())
	}
	args = append(args, "--cluster-yes", "--cluster-replicas", strconv.Itoa(replicas))
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	Wait(t, Patience, "cluster to serve", func() bool { return ClusterServes(all) })
	return all
}

// ClusterServes reports whether all servers of a cluster serve, each as a master or as a replica that can take its master's place:
// one that never had the data cannot.
func ClusterServes(all []*Redis) bool {
	return !slices.ContainsFunc(all, func(r *Redis) bool {
		following := r.IsMaster() || strings.Contains(r.Do("info", "replication"), "master_link_status:up")
		return !following || !strings.Contains(r.Do("cluster", "info"), "cluster_state:ok")
	})
}

// IsMaster reports whether it is one now.
func (r *Redis) IsMaster() bool { return strings.HasPrefix(r.Do("role"), "master") }

// ID is its name in a cluster.
func (r *Redis) ID() string { return r.Do("cluster", "myid") }

// Address is where it listens.
func (r *Redis) Address() string { return fmt.Sprintf("127.0.0.1:%d", r.Port) }

// Do runs a command by redis-cli, and gives what it prints. flags of redis-cli may come first.
func (r *Redis) Do(words ...string) string {
	r.t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(r.Port)}, words...)...).CombinedOutput()
	if err != nil {
		r.t.Logf("redis-cli %q: %v: %s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}
