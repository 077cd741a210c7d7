package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/store/redis"
	"distcache/internal/test/kit"
)

// askOnce sends one request on a connection of its own, and compares the status of the answer.
func askOnce(t *testing.T, at kit.Endpoint, request []byte, want codec.Status) {
	t.Helper()
	c := kit.Dial(t, at)
	defer c.Close()
	c.ExpectStatus(request, want)
}

// TestStoreInRedis: two dc_servers serve one cache, a restart loses nothing, and what Redis holds is under the prefix.
func TestStoreInRedis(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	one, atOne := startBefore(t, r.Address())
	_, atTwo := startBefore(t, r.Address())
	one.WaitStderr(patience, "found the servers of the store")
	add := kit.Add(1, "id", "session", time.Hour)
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, atOne, add) })
	if got := r.Do("exists", "distcache:id"); got != "1" {
		t.Errorf("got %s for distcache:id, want the key", got)
	}
	kit.Wait(t, patience, "second dc_server", func() bool { return tryAsk(t, atTwo, kit.Have(2, "id")) })
	if code := one.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	_, again := startBefore(t, r.Address())
	kit.Wait(t, patience, "dc_server that was started again", func() bool { return tryAsk(t, again, kit.Have(3, "id")) })
	askOnce(t, again, kit.Ask(4, codec.OpRemove, []byte("id")), codec.StatusOK)
	askOnce(t, atTwo, kit.Have(5, "id"), codec.StatusNotOK)
}

// startBefore is start with that Redis, which has more time than a busy machine ever takes: an ADD whose answer comes too
// late has been done, and would never succeed again.
func startBefore(t *testing.T, redis string, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	return start(t, append(args, "-store", "redis://"+redis, "-storetimeout", "10000")...)
}

// tryAsk reports whether the answer is OK.
func tryAsk(t *testing.T, at kit.Endpoint, request []byte) bool {
	t.Helper()
	c := kit.Dial(t, at)
	defer c.Close()
	if err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	m, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	status, err := codec.ParseStatus(m)
	return err == nil && status == codec.StatusOK
}

// TestStoreAway: dc_server starts without its store, says so once, answers at once, and /readyz tells it; all of that ends
// when the store comes.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	kit.NeedRedis(t)
	port := kit.FreePort(t)
	p, at := startBefore(t, fmt.Sprintf("127.0.0.1:%d", port), "-metrics", "IP:127.0.0.1:0")
	p.WaitStderr(patience, "cannot find the servers of the store: requests are answered DISCONNECTED until they are found")
	for range 20 {
		askOnce(t, at, kit.Have(1, "id"), codec.StatusDisconnected)
	}
	page := "http://" + regexp.MustCompile(`metrics=IP:(\S+)`).FindStringSubmatch(p.Stderr())[1]
	if code, body := fetch(t, page+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "No server of -store was found") {
		t.Errorf("readyz: got %d %q, want 503 and the reason", code, body)
	}
	r := kit.StartRedisAt(t, port)
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, at, kit.Add(1, fmt.Sprint(time.Now().UnixNano()), "s", time.Hour)) })
	kit.Wait(t, patience, "readyz", func() bool { code, _ := fetch(t, page+"/readyz"); return code == http.StatusOK })
	if _, body := fetch(t, page+"/metrics"); !strings.Contains(body, `distcache_store_up{store="redis"} 1`) || strings.Contains(body, "distcache_sessions ") {
		t.Error("metrics: want the store up, and no number of sessions")
	}
	r.Kill()
	kit.Wait(t, patience, "DISCONNECTED", func() bool { return !tryAsk(t, at, kit.Add(1, "another", "s", time.Hour)) })
	p.WaitStderr(patience, "store server unavailable: its requests are answered DISCONNECTED")
	for range 20 {
		askOnce(t, at, kit.Have(1, "id"), codec.StatusDisconnected)
	}
	r.Restart()
	p.WaitStderr(patience, "store server is back")
	if n := strings.Count(p.Stderr(), "WARN"); n > 3 {
		t.Errorf("got %d warnings, want one for each change:\n%s", n, p.Stderr())
	}
}

func fetch(t *testing.T, url string) (code int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// keyFile is the text of a file for -seal: an id line and these keys, by a digit.
func keyFile(keys ...string) string {
	text := "id " + strings.Repeat("f", 64) + "\n"
	for _, k := range keys {
		text += "key " + strings.Repeat(k, 64) + "\n"
	}
	return text
}

// postLoop gives what is posted to the test.
type postLoop chan func()

func (l postLoop) Post(fn func()) error { l <- fn; return nil }
func (postLoop) EndTurn()               {}
func (postLoop) Now() time.Duration     { return 0 }

// TestSecretsAreReadOffTheLoop: a slow disk holds up no request.
func TestSecretsAreReadOffTheLoop(t *testing.T) {
	location, err := redis.ParseLocation("redis://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	l := postLoop(make(chan func(), 1))
	r, err := openRemote(storeFlags{location: location, timeout: time.Second}, l)
	if err != nil {
		t.Fatal(err)
	}
	r.reload()
	select {
	case adopt := <-l:
		adopt()
	case <-time.After(patience):
		t.Error("got nothing posted, want what was read")
	}
}

// TestStopAnswers: an orderly end leaves no request without an answer, however long -storetimeout is.
func TestStopAnswers(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	p, at := startBefore(t, r.Address())
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, at, kit.Add(1, "id", "session", time.Hour)) })
	r.Signal(syscall.SIGSTOP)
	defer r.Signal(syscall.SIGCONT)
	c := kit.Dial(t, at)
	defer c.Close()
	if err := c.Write(kit.Have(2, "id")); err != nil {
		t.Fatal(err)
	}
	kit.Wait(t, patience, "request read", c.Taken)
	p.Signal(syscall.SIGTERM)
	m, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("got %v, want an answer", err)
	}
	if status, err := codec.ParseStatus(m); err != nil || status != codec.StatusDisconnected {
		t.Errorf("got %v, %v, want DISCONNECTED", status, err)
	}
}

// TestSealedStore: Redis sees neither sessions nor IDs; keys are rotated by SIGHUP, a file with a mistake changes nothing, and
// the password comes from a file, too. No secret is in any output.
func TestSealedStore(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t, "--requirepass", "hunter2")
	seal, password := kit.WriteFile(t, "seal", []byte(keyFile("1")), 0o600), kit.WriteFile(t, "password", []byte("hunter2\n"), 0o600)
	p, at := startBefore(t, r.Address(), "-seal", seal, "-storepassword", password, "-metrics", "IP:127.0.0.1:0")
	p.WaitStderr(patience, "sessions in the store are sealed")
	const id, session = "the ID of a session", "the secret of a session"
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, at, kit.Add(1, id, session, time.Hour)) })
	redis := func(words ...string) string {
		return r.Do(append([]string{"-a", "hunter2", "--no-auth-warning"}, words...)...)
	}
	keys := redis("keys", "*")
	if value := redis("get", strings.TrimSpace(keys)); strings.Contains(keys+value, "the ID") || strings.Contains(value, "secret") {
		t.Errorf("Redis sees %q and %q", keys, value)
	}
	hit := func() {
		t.Helper()
		c := kit.Dial(t, at)
		defer c.Close()
		if err := c.Write(kit.Ask(2, codec.OpGet, []byte(id))); err != nil {
			t.Fatal(err)
		}
		if m, err := c.ReadMessage(); err != nil || string(m.Payload(nil)) != session {
			t.Errorf("got %q, %v, want the session", m.Payload(nil), err)
		}
	}
	hit()
	write := func(text, line string) {
		t.Helper()
		before := strings.Count(p.Stderr(), line)
		if err := os.WriteFile(seal, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Signal(syscall.SIGHUP)
		kit.Wait(t, patience, line, func() bool { return strings.Count(p.Stderr(), line) > before })
	}
	const taken, kept = "SIGHUP: keys and password of the store read again", "SIGHUP: the old keys and password of the store stay in force"
	write(keyFile("2", "1"), taken)
	hit() // sealed with the old key, which is the second one now
	write("id 1\n", kept)
	hit()
	write(keyFile("2"), taken)
	askOnce(t, at, kit.Ask(3, codec.OpGet, []byte(id)), codec.StatusNotOK) // its key is gone
	p.WaitStderr(patience, "cannot decrypt a session from the store: it counts as a miss")
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, secret := range []string{"hunter2", session, id, strings.Repeat("1", 64), strings.Repeat("f", 64)} {
		if strings.Contains(p.Stderr(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestClientOverRedis: a dc_client serves sessions from dc_server and Redis, and answers at once when Redis is away.
func TestClientOverRedis(t *testing.T) {
	t.Parallel()
	r := kit.StartRedis(t)
	_, server := start(t, "-store", "redis://"+r.Address())
	_, at := kit.NewRig(t).Client(server, "-timeout", "1000")
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, at, kit.Add(1, fmt.Sprint(time.Now().UnixNano()), "s", time.Hour)) })
	r.Signal(syscall.SIGSTOP)
	began := time.Now()
	askOnce(t, at, kit.Have(2, "id"), codec.StatusDisconnected)
	if took := time.Since(began); took > 200*time.Millisecond {
		kit.TooSlow(t, "got the answer after %v, want -storetimeout", took)
	}
	r.Signal(syscall.SIGCONT)
	kit.Wait(t, patience, "ADD", func() bool { return tryAsk(t, at, kit.Add(1, fmt.Sprint(time.Now().UnixNano()), "s", time.Hour)) })
}
