package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/service"
	"distcache/internal/test/kit"
)

// TestH26ManyConnections has 33,000 clients, or as many as descriptors may be open here, of
// which most are idle and 100 are not.
func TestH26ManyConnections(t *testing.T) {
	const most, active, others = 33_000, 100, 150
	limit, err := service.RaiseNofile(most + others)
	if limit < 2000 {
		t.Skipf("only %d descriptors may be open (%v)", limit, err)
	}
	clients := min(limit-others, most)
	if !kit.Full() {
		clients = min(clients, 2200)
	}
	idlers := clients - 2*active // of those active each has two connections at times
	server := kit.Unix(t)
	startServer(t, server)
	process, at := startLinked(t, server, "-maxclients", strconv.Itoa(clients))
	checkIdle := noteVitals(t, process, idlers)
	began := time.Now()
	conns := connectMany(t, at, idlers)
	t.Logf("%d connections in %v", idlers, time.Since(began))
	checkEnd := checkIdle()
	workAtOnce(t, at, active)
	mustAnswerAll(t, conns)
	for _, conn := range conns {
		_ = conn.Close()
	}
	checkEnd()
	mustEnd(t, process)
}

// noteVitals notes how dc_client is. Its results check how it is with the idle clients,
// and when all are gone. Root alone may look (PR_SET_DUMPABLE), so others do not.
func noteVitals(t *testing.T, process *kit.Process, idlers int) (idle func() (end func())) {
	t.Helper()
	if os.Geteuid() != 0 {
		return func() func() { return func() {} }
	}
	post := process.Post()
	return func() func() {
		var with kit.Vitals
		process.Wait(patience, "descriptor for each client", func() (all bool) {
			var err error
			with, err = kit.ReadVitals(process.PID())
			return err == nil && with.FDs >= idlers
		})
		t.Logf("dc_client with them: %v", with)
		slack := kit.DefaultSlack()
		slack.RSS = 64 << 20 // the tables stay as large as they were
		return func() { post.Check(slack) }
	}
}

// needDescriptors raises the limit of this process for good, and skips the test where
// that is not permitted.
func needDescriptors(t *testing.T, want int) {
	t.Helper()
	if got, err := service.RaiseNofile(want); got < want {
		t.Skipf("only %d descriptors may be open (%v), %d are needed", got, err, want)
	}
}

// connectMany connects, some at a time.
func connectMany(t *testing.T, at kit.Endpoint, count int) []*kit.Conn {
	t.Helper()
	conns, errs := make([]*kit.Conn, count), make([]error, count)
	const lanes = 64
	var running sync.WaitGroup
	for lane := range lanes {
		running.Go(func() {
			for n := lane; n < count; n += lanes {
				conns[n], errs[n] = connectWaiting(at)
			}
		})
	}
	running.Wait()
	t.Cleanup(func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return conns
}

// connectWaiting connects, and waits for room in the backlog as a blocking connect does:
// where this machine is busy, it may be full for a moment.
func connectWaiting(at kit.Endpoint) (conn *kit.Conn, err error) {
	kit.Within(patience, func() bool {
		conn, err = kit.Connect(at)
		return !errors.Is(err, syscall.EAGAIN)
	})
	return conn, err
}

// TestBacklog: a burst of 4,096 connects finds room while dc_client does something else.
func TestBacklog(t *testing.T) {
	const burst = 4096
	needDescriptors(t, burst+500)
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if somaxconn, _ := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || somaxconn < burst {
		t.Skipf("net.core.somaxconn is %s (%v): no backlog is that long here", text, err)
	}
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	process.Signal(syscall.SIGSTOP)
	var conns []*kit.Conn
	for n := range burst {
		conn, err := kit.Connect(at)
		if err != nil {
			t.Fatalf("connect %d: %v", n, err)
		}
		defer func() { _ = conn.Close() }()
		conns = append(conns, conn)
	}
	process.Signal(syscall.SIGCONT)
	mustAnswerAll(t, conns)
}

// workAtOnce runs clients that add and get sessions of their own, over connections that
// last and over new ones.
func workAtOnce(t *testing.T, at kit.Endpoint, clients int) {
	t.Helper()
	errs := make([]error, clients)
	var running sync.WaitGroup
	began := time.Now()
	const rounds = 20
	for n := range clients {
		running.Go(func() { errs[n] = work(at, uint32(n)<<16, rounds) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations in %v", clients*rounds*3, time.Since(began))
}

func work(at kit.Endpoint, uid uint32, rounds int) error {
	lasting, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = lasting.Close() }()
	lasting.SetPatience(patience)
	for range rounds {
		id, data := fmt.Sprint("session ", uid), fmt.Sprint("data of ", uid)
		if err := expect(lasting, kit.Add(uid, id, data, time.Hour), kit.Status(uid, codec.OpAdd, codec.StatusOK)); err != nil {
			return err
		}
		passing, err := connectWaiting(at)
		if err != nil {
			return err
		}
		passing.SetPatience(patience)
		err = expect(passing, kit.Get(uid+1, id), kit.Hit(uid+1, data))
		if err = errors.Join(err, passing.Close()); err != nil {
			return err
		}
		if err := expect(lasting, kit.Remove(uid+2, id), kit.Status(uid+2, codec.OpRemove, codec.StatusOK)); err != nil {
			return err
		}
		uid += 3
	}
	return nil
}

// expect asks, and holds that the answer is want.
func expect(conn *kit.Conn, request, want []byte) error {
	if err := conn.Write(request); err != nil {
		return err
	}
	got, err := conn.Read(len(want))
	if err != nil || string(got) != string(want) {
		return fmt.Errorf("got % x, %w, want % x", got, err, want)
	}
	return nil
}

// mustAnswerAll asks over each of the connections: first all requests, then all answers.
func mustAnswerAll(t *testing.T, conns []*kit.Conn) {
	t.Helper()
	for n, conn := range conns {
		if err := conn.Write(kit.Have(uint32(n), "nobody's")); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	for n, conn := range conns {
		m, err := conn.ReadMessage()
		if s, _ := codec.ParseStatus(m); err != nil || m.UID != uint32(n) || s != codec.StatusNotOK {
			t.Fatalf("connection %d: got %v of %#x, %v, want NOTOK of %#x", n, s, m.UID, err, n)
		}
	}
}
