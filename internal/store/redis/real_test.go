package redis

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// The tests with a real redis-server. Those of clusters are in cluster_test.go.

// TestRealOperations: IDs and sessions of any bytes and sizes, in the database and under the prefix of the flags.
func TestRealOperations(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	l := newPatient(t, "redis://"+r.Address()+"/3")
	l.served()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	ids := []string{"a", "{", "{}", "{a}b", "\x00", "\r\n", "*3\r\n$3\r\nDEL\r\n", string(every[:64]), string(every[192:])}
	for i, id := range ids {
		session := string(every) + strings.Repeat("x", i*4000)
		l.must(codec.OpHave, id, "", codec.StatusNotOK)
		l.must(codec.OpAdd, id, session, codec.StatusOK)
		l.must(codec.OpAdd, id, "another", codec.StatusAddExists)
		if a := l.must(codec.OpGet, id, "", codec.StatusOK); a.data != session {
			t.Errorf("ID %q: got %d bytes, want the session of %d", id, len(a.data), len(session))
		}
		l.must(codec.OpHave, id, "", codec.StatusOK)
	}
	if got := r.Do("-n", "3", "dbsize"); got != fmt.Sprint(len(ids)) {
		t.Errorf("got %s keys in database 3, want %d", got, len(ids))
	}
	if got := r.Do("-n", "3", "exists", "t:a"); got != "1" {
		t.Errorf("got %s for t:a, want the key with its prefix", got)
	}
	for _, id := range ids {
		l.must(codec.OpRemove, id, "", codec.StatusOK)
		l.must(codec.OpRemove, id, "", codec.StatusNotOK)
		l.must(codec.OpGet, id, "", codec.StatusNotOK)
	}
	l.must(codec.OpAdd, "two bytes", "OK", codec.StatusOK)
	if a := l.must(codec.OpGet, "two bytes", "", codec.StatusOK); a.data != "OK" {
		t.Errorf("got %q, want OK", a.data)
	}
}

// TestRealExpiry: Redis drops a session when its time is over, and an ADD for no time stores nothing.
func TestRealExpiry(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	l := newPatient(t, "redis://"+r.Address())
	l.served()
	if a := l.do(codec.OpAdd, "brief", "s", 50*time.Millisecond); a.status != codec.StatusOK {
		t.Fatalf("got %v, want it stored", a.status)
	}
	kit.Wait(t, kit.Patience, "end of the session", func() bool { return l.do(codec.OpGet, "brief", "", 0).status == codec.StatusNotOK })
	if a := l.do(codec.OpAdd, "none", "s", 0); a.status != codec.StatusOK {
		t.Errorf("an ADD for no time: got %v, want OK", a.status)
	}
	l.must(codec.OpGet, "none", "", codec.StatusNotOK)
	l.must(codec.OpAdd, "there", "s", codec.StatusOK)
	if a := l.do(codec.OpAdd, "there", "s", 0); a.status != codec.StatusAddExists {
		t.Errorf("an ADD for no time of what is there: got %v", a.status)
	}
}

// TestRealWrongPassword: it is told, and a new one is used without a restart.
func TestRealWrongPassword(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t, "--requirepass", "right")
	for _, location := range []string{"redis://:wrong@" + r.Address(), "redis://" + r.Address(), "redis://nobody:right@" + r.Address()} {
		l := newPatient(t, location+"?mode=single")
		l.must(codec.OpGet, "id", "", codec.StatusDisconnected)
		if c := l.told(Auth); strings.Contains(c.Reason, "wrong ") {
			t.Errorf("got the reason %q, want it without the password", c.Reason)
		}
		if !strings.Contains(location, "nobody") {
			l.net.SetPassword("right")
			l.served()
		}
	}
}

// TestRealUser: the user of docs/STORE.md may say all that dc_server says.
func TestRealUser(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/STORE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(doc), "\n    user ")
	line, _, _ = strings.Cut(line, "\n")
	r := kit.StartRedis(t)
	if got := r.Do(append([]string{"acl", "setuser"}, strings.Fields(line)...)...); got != "OK" {
		t.Fatalf("%s: got %s", line, got)
	}
	for _, command := range []string{"get distcache:1", "set distcache:1 s nx px 10", "del distcache:1", "exists distcache:1", "asking",
		"cluster slots", "role", "select 0", "client setname dc_server", "hello 2", "ping"} {
		got := r.Do(append([]string{"--user", "distcache", "--pass", "password", "--no-auth-warning"}, strings.Fields(command)...)...)
		if strings.Contains(got, "NOPERM") || strings.Contains(got, "WRONGPASS") {
			t.Errorf("%s: got %s", command, got)
		}
	}
}

// TestRealMaxmemory: with noeviction ADDs fail and all else is served; with any other policy Redis makes room.
func TestRealMaxmemory(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t, "--maxmemory", "3mb")
	l := newPatient(t, "redis://"+r.Address())
	l.served()
	big := strings.Repeat("x", 30_000)
	for _, policy := range []string{"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		r.Do("config", "set", "maxmemory-policy", policy)
		refused := 0
		for i := range 100 {
			if l.do(codec.OpAdd, fmt.Sprint(policy, i), big, time.Hour).status == codec.StatusDisconnected {
				refused++
			}
		}
		if (refused > 0) != (policy == "noeviction") {
			t.Errorf("%s: got %d of 100 ADDs refused", policy, refused)
		}
		if policy == "noeviction" {
			l.told(Memory)
			l.must(codec.OpGet, "noeviction0", "", codec.StatusOK)
			l.must(codec.OpRemove, "noeviction0", "", codec.StatusOK)
		}
	}
}

// TestRealFrozen: a server that does not answer costs its deadline once, and is back when it goes on.
func TestRealFrozen(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	l := newLive(t, "redis://"+r.Address())
	l.served()
	kit.Wait(t, kit.Patience, "ADD", func() bool { return l.do(codec.OpAdd, "id", "session", time.Hour).status != codec.StatusDisconnected })
	for _, long := range kit.Sized([]time.Duration{300 * time.Millisecond}, []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second}) {
		r.Signal(syscall.SIGSTOP)
		began := time.Now()
		for time.Since(began) < long {
			l.do(codec.OpGet, "id", "", 0)
			time.Sleep(5 * time.Millisecond)
		}
		r.Signal(syscall.SIGCONT)
		if took := l.served(); took > 200*time.Millisecond {
			kit.TooSlow(t, "frozen for %v: got it back after %v, want 200 ms", long, took)
		}
		kit.Wait(t, kit.Patience, "the session", func() bool { return l.do(codec.OpGet, "id", "", 0).data == "session" })
	}
}

// TestRealRestart: a Store starts while its server is down, and finds it, and again after each restart, over TLS too.
func TestRealRestart(t *testing.T) {
	t.Parallel()
	kit.NeedRedis(t)
	for _, scheme := range []string{"redis", "rediss"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			port, secure := kit.FreePort(t), kit.FreePort(t)
			flags, config := secureFlags(t, secure)
			at := port
			if scheme == "rediss" {
				at = secure
			} else {
				flags = nil
			}
			l := startLive(t, fmt.Sprintf("%s://127.0.0.1:%d", scheme, at), patientTimeout, func(n *Net) { n.SetTLS(config) })
			l.must(codec.OpGet, "id", "", codec.StatusDisconnected)
			r := kit.StartRedisAt(t, port, flags...)
			for range kit.Sized(1, 5) {
				l.back("started")
				l.must(codec.OpAdd, "id", "session", codec.StatusOK)
				r.Kill()
				l.must(codec.OpGet, "id", "", codec.StatusDisconnected)
				r.Restart()
				l.back("started again")
				for range 2 * connections { // each is used, and then idle
					l.must(codec.OpGet, "id", "", codec.StatusNotOK) // it keeps nothing
				}
				r.Kill()
				r.Restart()
				l.back("started again meanwhile")
			}
		})
	}
}

// back waits until the store serves, which is to take 200 ms.
func (l *live) back(what string) {
	l.t.Helper()
	if took := l.served(); took > 200*time.Millisecond {
		kit.TooSlow(l.t, "%s: got it back after %v, want 200 ms", what, took)
	}
}

// secureFlags are those of a redis-server that speaks TLS at a port, and what its clients need.
func secureFlags(t *testing.T, port int) ([]string, *tls.Config) {
	ca := kit.NewCA(t, "one")
	files := ca.Issue("redis").Flags(ca)
	return []string{"--tls-port", fmt.Sprint(port), "--tls-cert-file", files[1], "--tls-key-file", files[3], "--tls-ca-cert-file", files[5],
		"--tls-auth-clients", "no"}, &tls.Config{RootCAs: ca.Pool()}
}

// TestRealReplica: a server that becomes a replica refuses ADDs and serves the rest, until it is a master again.
func TestRealReplica(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	l := newPatient(t, "redis://"+r.Address())
	l.served()
	l.must(codec.OpAdd, "id", "session", codec.StatusOK)
	r.Do("replicaof", "127.0.0.1", "1")
	kit.Wait(t, kit.Patience, "refusal", func() bool { return l.do(codec.OpAdd, "more", "s", time.Hour).status == codec.StatusDisconnected })
	l.told(ReadOnly)
	kit.Wait(t, kit.Patience, "hit", func() bool { return l.do(codec.OpGet, "id", "", 0).status == codec.StatusOK })
	r.Do("replicaof", "no", "one")
	kit.Wait(t, kit.Patience, "ADD", func() bool { return l.do(codec.OpAdd, "more", "s", time.Hour).status == codec.StatusOK })
}

// TestRealTLS: rediss with the right CA, and refused with another.
func TestRealTLS(t *testing.T) {
	t.Parallel()
	kit.NeedRedis(t)
	port, secure := kit.FreePort(t), kit.FreePort(t)
	flags, config := secureFlags(t, secure)
	r := kit.StartRedisAt(t, port, flags...)
	if strings.Contains(r.Stdout(), "TLS") {
		t.Skip("this redis-server has no TLS: " + r.Stdout())
	}
	location := fmt.Sprintf("rediss://127.0.0.1:%d?mode=single", secure)
	good := startLive(t, location, patientTimeout, func(n *Net) { n.SetTLS(config) })
	good.served()
	good.must(codec.OpAdd, "id", "session", codec.StatusOK)
	good.must(codec.OpGet, "id", "", codec.StatusOK)
	bad := startLive(t, location, patientTimeout, func(n *Net) { n.SetTLS(&tls.Config{RootCAs: kit.NewCA(t, "other").Pool()}) })
	bad.must(codec.OpGet, "id", "", codec.StatusDisconnected)
	if c := bad.told(Connection); !strings.Contains(c.Reason, "certificate") {
		t.Errorf("got the reason %q, want the certificate in it", c.Reason)
	}
}
