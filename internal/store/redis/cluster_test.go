package redis

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// crowd is workers that use a Store all the time, and know what it must answer: each has IDs of its own.
type crowd struct {
	*live
	quit    chan struct{}
	all     sync.WaitGroup
	asked   atomic.Int64
	refused atomic.Int64
	wrong   atomic.Int64 // answers that no order of the requests explains
	lost    atomic.Int64 // sessions that were stored, and are gone
}

// newCrowd starts so many workers.
func newCrowd(l *live, workers int) *crowd {
	c := &crowd{live: l, quit: make(chan struct{})}
	for i := range workers {
		c.all.Go(func() { c.work(i) })
	}
	l.t.Cleanup(c.stop)
	return c
}

func (c *crowd) stop() {
	select {
	case <-c.quit:
	default:
		close(c.quit)
	}
	c.all.Wait()
}

// known is what a worker knows of an ID.
type known struct {
	there, maybe, not bool // it is there; a failed request may have changed that; it is not
	data              string
}

func (c *crowd) work(number int) {
	random := rand.New(rand.NewPCG(uint64(number), 7))
	ids := make([]known, 20)
	for n := 0; ; n++ {
		select {
		case <-c.quit:
			return
		default:
		}
		i := random.IntN(len(ids))
		k, id := &ids[i], fmt.Sprintf("w%d/%d", number, i)
		op := codec.Op(random.IntN(codec.NumOps))
		data := fmt.Sprintf("%s #%d", id, n)
		a := <-c.start(op, id, data, time.Hour)
		c.asked.Add(1)
		if a.status == codec.StatusDisconnected {
			c.refused.Add(1)
			if op == codec.OpAdd || op == codec.OpRemove {
				*k = known{maybe: true}
			}
			time.Sleep(time.Millisecond)
			continue
		}
		c.judge(k, op, id, data, a)
	}
}

// judge compares an answer with what is known, and learns.
func (c *crowd) judge(k *known, op codec.Op, id, data string, a answer) {
	there := a.status == codec.StatusOK || a.status == codec.StatusAddExists
	if op == codec.OpAdd {
		there = a.status == codec.StatusAddExists
	}
	switch {
	case k.there && !there:
		c.lost.Add(1)
	case k.not && there:
		c.wrong.Add(1)
		c.t.Logf("%v %s: got %v of what is not there", op, id, a.status)
	case op == codec.OpGet && there && (!strings.HasPrefix(a.data, id+" #") || k.data != "" && a.data != k.data):
		c.wrong.Add(1)
		c.t.Logf("GET %s: got %q, want %q", id, a.data, k.data)
	}
	switch op {
	case codec.OpRemove:
		*k = known{not: true}
	case codec.OpAdd:
		if !there {
			k.data = data
		} else if !k.there {
			k.data = ""
		}
		*k = known{there: true, data: k.data}
	default:
		*k = known{there: there, not: !there, data: k.data}
		if !there {
			k.data = ""
		}
	}
}

// during counts what happens in a time.
func (c *crowd) during(do func()) (asked, refused int64) {
	asked, refused = c.asked.Load(), c.refused.Load()
	do()
	return c.asked.Load() - asked, c.refused.Load() - refused
}

// wantRight holds that no answer was wrong, and that at most so many sessions were lost.
func (c *crowd) wantRight(lost int64) {
	c.t.Helper()
	c.t.Logf("%d requests, %d DISCONNECTED, %d sessions lost by the servers", c.asked.Load(), c.refused.Load(), c.lost.Load())
	if c.wrong.Load() != 0 || c.lost.Load() > lost {
		c.t.Errorf("got %d wrong answers and %d lost sessions, want 0 and at most %d", c.wrong.Load(), c.lost.Load(), lost)
	}
	if c.asked.Load() == c.refused.Load() {
		c.t.Error("got no request served")
	}
}

func needCluster(t testing.TB) {
	t.Helper()
	kit.NeedFull(t, "starts a cluster, which takes seconds (make test-redis has it too)")
	kit.NeedRedis(t)
}

func addresses(all []*kit.Redis) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.Address())
	}
	return "redis://" + strings.Join(texts, ",")
}

// TestClusterOfThree: a master that is frozen or killed takes its share of the sessions with it and nothing else; slots move
// without a failed request.
func TestClusterOfThree(t *testing.T) {
	needCluster(t)
	all := kit.StartRedisCluster(t, 3, 0)
	l := newLive(t, "redis://"+all[0].Address())
	l.served()
	c := newCrowd(l, 16)

	_, refused := c.during(func() { c.reshard(all[0], all[1], 2000) })
	t.Logf("2,000 slots moved: %d requests failed:%s", refused, c.kinds())
	if refused > 0 {
		kit.TooSlow(t, "got %d requests failed while slots moved, want none", refused)
	}
	asked, refused := c.during(func() {
		all[1].Signal(syscall.SIGSTOP)
		time.Sleep(600 * time.Millisecond) // less than what makes the cluster give it up
		all[1].Signal(syscall.SIGCONT)
	})
	t.Logf("one frozen: %d of %d requests failed:%s", refused, asked, c.kinds())
	if refused == 0 || refused == asked {
		kit.TooSlow(t, "got %d of %d requests failed while one of three was frozen, want its share", refused, asked)
	}
	c.wantRight(0)
	all[2].Kill()
	kit.Wait(t, kit.Patience, "line about the killed one", func() bool { return c.refused.Load() > refused })
	all[2].Restart()
	kit.Wait(t, kit.Patience, "all servers to serve", c.allServe)
	c.stop()
	c.wantRight(1 << 30) // it kept nothing: what it had is lost
}

// reshard moves slots.
func (c *crowd) reshard(from, to *kit.Redis, slots int) {
	out, err := exec.Command("redis-cli", "--cluster", "reshard", from.Address(), "--cluster-from", from.ID(), "--cluster-to", to.ID(),
		"--cluster-slots", fmt.Sprint(slots), "--cluster-yes").CombinedOutput()
	if err != nil {
		c.t.Errorf("reshard: %v: %.500s", err, out)
	}
}

// allServe asks for IDs of all servers.
func (c *crowd) allServe() bool {
	for i := range 64 {
		if (<-c.start(codec.OpHave, fmt.Sprint("every", i), "", 0)).status == codec.StatusDisconnected {
			return false
		}
	}
	return true
}

// TestClusterWithReplicas: a master is killed, and its replica takes over. What asynchronous replication has lost is counted;
// nothing else is.
func TestClusterWithReplicas(t *testing.T) {
	needCluster(t)
	all := kit.StartRedisCluster(t, 3, 1)
	l := newLive(t, addresses(all))
	l.served()
	c := newCrowd(l, 16)
	time.Sleep(500 * time.Millisecond)
	c.wantRight(0)
	var dead *kit.Redis
	for _, r := range all {
		if r.IsMaster() {
			dead = r
			break
		}
	}
	began := time.Now()
	dead.Kill()
	kit.Wait(t, kit.Patience, "failover", func() bool {
		promoted := 0
		for _, r := range all {
			if r != dead && r.IsMaster() {
				promoted++
			}
		}
		return promoted == 3 && strings.Contains(all[len(all)-1].Do("cluster", "info"), "cluster_state:ok")
	})
	t.Logf("the cluster has a new master after %v", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	kit.Wait(t, kit.Patience, "all servers to serve", c.allServe)
	if took := time.Since(began); took > 400*time.Millisecond {
		kit.TooSlow(t, "got it back %v after the failover, want 400 ms", took)
	}
	t.Logf("lost by asynchronous replication: %d sessions", c.lost.Load())
	dead.Restart()
	time.Sleep(time.Second)
	kit.Wait(t, kit.Patience, "all servers to serve", c.allServe)
	lost := c.lost.Load()
	for _, r := range all { // all at once
		r.Kill()
	}
	for _, r := range all {
		r.Restart()
	}
	kit.Wait(t, kit.Patience, "all servers to serve", c.allServe)
	c.stop()
	if c.wrong.Load() != 0 || lost > 100 {
		t.Errorf("got %d wrong answers and %d sessions lost by the failover, want 0 and few", c.wrong.Load(), lost)
	}
}

// TestSentinel: the master is named by a sentinel, and so is the next one.
func TestSentinel(t *testing.T) {
	needCluster(t)
	master := kit.StartRedis(t)
	replica := kit.StartRedis(t, "--replicaof", "127.0.0.1", fmt.Sprint(master.Port), "--repl-diskless-sync-delay", "0")
	port := kit.FreePort(t)
	file := kit.WriteFile(t, "sentinel.conf", fmt.Appendf(nil, "bind 127.0.0.1\nport %d\nsentinel monitor main 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port, master.Port), 0o600)
	sentinel, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	kit.Start(t, sentinel, file, "--sentinel")
	l := newPatient(t, fmt.Sprintf("redis://127.0.0.1:%d?master=main", port))
	l.served()
	kit.Wait(t, kit.Patience, "replica to follow", func() bool { return strings.Contains(replica.Do("info", "replication"), "master_link_status:up") })
	time.Sleep(time.Second) // for the sentinel to know it
	l.must(codec.OpAdd, "id", "session", codec.StatusOK)
	kit.Wait(t, kit.Patience, "replication", func() bool { return replica.Do("exists", "t:id") == "1" })
	master.Kill()
	kit.Wait(t, 2*kit.Patience, "failover", replica.IsMaster)
	began := time.Now()
	l.served()
	t.Logf("served %v after the failover", time.Since(began))
	l.must(codec.OpGet, "id", "", codec.StatusOK)
	l.must(codec.OpAdd, "more", "session", codec.StatusOK)
}

// kinds gives the errors so far, by kind.
func (c *crowd) kinds() string {
	got := make(chan string, 1)
	_ = c.Post(func() {
		text := ""
		for k, n := range c.store.counters.Errors {
			if n > 0 {
				text += fmt.Sprintf(" %v=%d", Kind(k), n)
			}
		}
		got <- fmt.Sprintf("%s, %d redirects", text, c.store.counters.Moves)
	})
	return <-got
}
