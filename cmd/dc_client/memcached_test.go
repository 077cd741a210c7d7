package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/front/memcached"
	"distcache/internal/test/kit"
)

// memcachedVectors are exchanges recorded from a real memcached, and ours.json what we answer
// where that is something else: codec/memcached/vectors_test.go.
const memcachedVectors = "../../codec/memcached/testdata/"

// memVector is one of them.
type memVector struct {
	Name       string
	Send, Recv string
	Needs      string
	Enough     string
	RecordedAt int64 `json:"recorded_at"`
}

// memcachedAt is the first address of -memcached that the ready line tells.
func memcachedAt(t *testing.T, p *kit.Process) kit.Endpoint {
	t.Helper()
	found := regexp.MustCompile(` memcached=(UNIX|IP):(\S+)`).FindStringSubmatch(p.Stderr())
	if found == nil {
		t.Fatalf("got %q, want where -memcached listens", p.Stderr())
	}
	return kit.Endpoint{Network: map[string]string{"UNIX": "unix", "IP": "tcp"}[found[1]], Address: found[2]}
}

// startMemcached runs dc_client with the memcached front in front of server.
func startMemcached(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	p, _ := start(t, server, append(args, "-memcached", kit.Unix(t).String())...)
	return p, memcachedAt(t, p)
}

// memConn is a connection to the memcached front.
type memConn struct {
	net.Conn
	t *testing.T
}

func dialMemcached(t *testing.T, at kit.Endpoint) memConn {
	t.Helper()
	c, err := net.Dial(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return memConn{c, t}
}

func (c memConn) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads exactly want.
func (c memConn) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := readFull(c, got)
	if string(got[:n]) != want {
		c.t.Fatalf("got %q, %v, want %q", got[:n], err, want)
	}
}

func readFull(c net.Conn, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.Read(b[n:])
		n += m
	}
	return n, err
}

// say sends b, and then what makes the front say something, so that an answer that is too much
// shows: a NOOP, or version. It gives what came before the answer to that.
func (c memConn) say(b []byte, isBinary bool) string {
	c.t.Helper()
	ask, answer := []byte("version\r\n"), []byte("VERSION 1.6.18\r\n")
	if isBinary {
		ask = append([]byte{0x80, 0x0a}, make([]byte, 22)...)
		copy(ask[12:], "last")
		answer = bytes.Clone(ask)
		answer[0] = 0x81
	}
	_, _ = c.Write(append(bytes.Clone(b), ask...)) // the front may have closed it
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for room := make([]byte, 64<<10); ; {
		n, err := c.Read(room)
		got = append(got, room[:n]...)
		switch {
		case bytes.HasSuffix(got, answer):
			return string(got[:len(got)-len(answer)])
		case os.IsTimeout(err):
			c.t.Fatalf("got %q, and then nothing", got)
		case err != nil:
			return string(got)
		}
	}
}

func readMemVectors(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(memcachedVectors + name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMemcachedVectors replays what was recorded of a real memcached against both daemons, each
// exchange in one piece and byte by byte.
func TestMemcachedVectors(t *testing.T) {
	t.Parallel()
	var ours map[string]struct{ Recv string }
	readMemVectors(t, "ours.json", &ours)
	for _, file := range []string{"memcached_text.json", "memcached_binary.json"} {
		for _, piece := range []int{1 << 20, 1} {
			t.Run(fmt.Sprintf("%s in pieces of %d", file, piece), func(t *testing.T) {
				t.Parallel()
				server := kit.Unix(t)
				startServer(t, server)
				p, at := startMemcached(t, server)
				p.WaitStderr(patience, "connected to dc_server")
				var all []memVector
				readMemVectors(t, file, &all)
				for _, v := range all {
					want := unhex(t, v.Recv)
					if o, ok := ours[file+": "+v.Name]; ok {
						if want = []byte(o.Recv); strings.HasPrefix(o.Recv, "hex:") {
							want = unhex(t, o.Recv[4:])
						}
					} else if v.Enough != "" {
						continue // figures, which TestMemcachedStats looks at
					}
					replayMemcached(t, at, v, string(want), piece)
				}
			})
		}
	}
}

// replayMemcached replays one exchange on a connection of its own.
func replayMemcached(t *testing.T, at kit.Endpoint, v memVector, want string, piece int) {
	t.Helper()
	send := unhex(t, v.Send)
	prepareMemcached(t, at, v, send)
	if v.RecordedAt != 0 {
		send = shiftExpiry(send, v.RecordedAt)
	}
	c := dialMemcached(t, at)
	if piece < len(send) && len(send) < 1000 { // the last byte goes with what follows
		for _, b := range send[:len(send)-1] {
			_, _ = c.Write([]byte{b}) // the front may have closed it: what it said before is what counts
		}
		send = send[len(send)-1:]
	}
	if unfinished(v.Name) {
		_, _ = c.Write(send)
		c.expect(want)
		return
	}
	got := c.say(send, unhex(t, v.Send)[0] == 0x80)
	if withoutCAS(got) != withoutCAS(want) {
		t.Errorf("%s: sent %.300q\n got %.300q\nwant %.300q", v.Name, unhex(t, v.Send), got, want)
	}
}

// unfinished reports whether the exchange ends within a request, so that nothing can follow.
func unfinished(name string) bool {
	switch name {
	case "probe: set data shorter than said", "probe: half a header, closed by us", "probe: binary then text on one connection",
		"probe: text then binary on one connection", "probe: magic 0x81", "probe: long get, 3000 bytes without LF", "probe: long line, 2100 bytes without LF":
		return true
	}
	return false
}

// prepareMemcached stores what the exchange needs.
func prepareMemcached(t *testing.T, at kit.Endpoint, v memVector, send []byte) {
	t.Helper()
	c := dialMemcached(t, at)
	switch recv := unhex(t, v.Recv); {
	case v.Needs == "no such key":
		c.say([]byte("delete k1\r\n"), false)
	case strings.HasPrefix(v.Needs, "the cache holds") && send[0] != 0x80:
		line, rest, _ := strings.Cut(string(recv), "\r\n")
		words := strings.Fields(line)
		c.say([]byte("set "+words[1]+" 0 60 "+words[3]+"\r\n"+strings.TrimSuffix(rest, "END\r\n")), false)
	case strings.HasPrefix(v.Needs, "the cache holds"):
		for len(send) >= 24 && len(recv) >= 24 {
			asked, body := int(binary.BigEndian.Uint32(send[8:])), int(binary.BigEndian.Uint32(recv[8:]))
			if send[1] == 0 && recv[7] == 0 {
				c.say(fmt.Appendf(nil, "set %s 0 60 %d\r\n%s\r\n", send[24:24+asked], body-4, recv[28:24+body]), false)
			}
			send, recv = send[24+asked:], recv[24+body:]
		}
	}
}

// shiftExpiry moves the Unix times in send by the time that has gone by since then.
func shiftExpiry(send []byte, recorded int64) []byte {
	by := time.Now().Unix() - recorded
	if send[0] != 0x80 {
		return regexp.MustCompile(`0 (17\d{8}) `).ReplaceAllFunc(send, func(m []byte) []byte {
			at, _ := strconv.ParseInt(string(m[2:12]), 10, 64)
			return fmt.Appendf(nil, "0 %d ", at+by)
		})
	}
	send = bytes.Clone(send)
	for rest := send; len(rest) >= 32; rest = rest[24+binary.BigEndian.Uint32(rest[8:]):] {
		if at := binary.BigEndian.Uint32(rest[28:]); rest[4] == 8 && at > 2_592_000 {
			binary.BigEndian.PutUint32(rest[28:], uint32(int64(at)+by))
		}
	}
	return send
}

// withoutCAS is an answer with each CAS made 0.
func withoutCAS(recv string) string {
	if recv == "" || recv[0] != 0x81 {
		return regexp.MustCompile(`(VALUE \S+ \d+ \d+) \d+\r`).ReplaceAllString(recv, "$1 0\r")
	}
	b := []byte(recv)
	for rest := b; len(rest) >= 24; rest = rest[min(len(rest), 24+int(binary.BigEndian.Uint32(rest[8:]))):] {
		clear(rest[16:24])
	}
	return string(b)
}

// TestD03MemcachedFullHouse: over the client limit nobody is accepted and closed, however many come;
// they are served once there is room.
func TestD03MemcachedFullHouse(t *testing.T) {
	t.Parallel()
	p, at := startMemcached(t, nowhere(), "-maxclients", "4")
	var served, late []memConn
	for range 4 {
		c := dialMemcached(t, at)
		c.send([]byte("version\r\n"))
		c.expect("VERSION 1.6.18\r\n")
		served = append(served, c)
	}
	for range 100 {
		c := dialMemcached(t, at)
		c.send([]byte("version\r\n"))
		late = append(late, c)
	}
	p.WaitStderr(patience, "client limit reached")
	_ = late[99].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := late[99].Read(make([]byte, 100)); n > 0 || !os.IsTimeout(err) {
		t.Errorf("got %d bytes, %v, want one that waits", n, err)
	}
	for _, c := range served {
		_ = c.Close()
	}
	for _, c := range late[:20] {
		c.expect("VERSION 1.6.18\r\n")
		_ = c.Close()
	}
}

// TestMemcachedPermissions: a socket file is for its owner and group, unless -sockperms says
// otherwise; over TCP the start says who can read sessions.
func TestMemcachedPermissions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want os.FileMode
	}{{nil, 0o660}, {[]string{"-sockperms", "600"}, 0o600}} {
		_, at := startMemcached(t, nowhere(), row.args...)
		info, err := os.Stat(at.Address)
		if err != nil || info.Mode().Perm() != row.want {
			t.Errorf("%v: got %v, %v, want %v", row.args, info.Mode(), err, row.want)
		}
	}
	p, _ := start(t, nowhere(), "-memcached", "IP:127.0.0.1:0")
	p.WaitStderr(patience, "any user of this host can connect, and read and remove sessions")
	c := dialMemcached(t, memcachedAt(t, p))
	c.send([]byte("version\r\n"))
	c.expect("VERSION 1.6.18\r\n")
}

// TestMemcachedRemove: -remove says whether a delete removes.
func TestMemcachedRemove(t *testing.T) {
	t.Parallel()
	server := kit.Unix(t)
	startServer(t, server)
	for _, row := range []struct{ policy, want string }{{"honour", "END\r\n"}, {"ignore", "VALUE k 0 5\r\nvalue\r\nEND\r\n"}} {
		p, at := startMemcached(t, server, "-remove", row.policy)
		p.WaitStderr(patience, "connected to dc_server")
		c := dialMemcached(t, at)
		c.send([]byte("set k 0 60 5\r\nvalue\r\ndelete k\r\nget k\r\n"))
		c.expect("STORED\r\nDELETED\r\n" + row.want)
	}
}

// TestMemcachedMeetsDistcache: a session that Apache stores in memcached's words is there in
// distcache's, under the ID of the TLS session.
func TestMemcachedMeetsDistcache(t *testing.T) {
	t.Parallel()
	server := kit.Unix(t)
	startServer(t, server)
	p, at := startMemcached(t, server)
	p.WaitStderr(patience, "connected to dc_server")
	c := dialMemcached(t, at)
	c.send([]byte("set mod_ssl-sess:00ff10 0 60 7 \r\nsession\r\n"))
	c.expect("STORED\r\n")
	distcache := kit.Dial(t, p.Listens())
	distcache.Send(codec.AppendMessage(nil, codec.Request, 1, codec.OpGet, []byte("\x00\xff\x10")))
	distcache.Expect(codec.AppendMessage(nil, codec.Response, 1, codec.OpGet, []byte("session")))
}

// TestD01MemcachedWithoutServer: each answer comes in about -timeout where dc_server hangs, and at once
// where there is none; the log tells of the change of state alone.
func TestD01MemcachedWithoutServer(t *testing.T) {
	t.Parallel()
	const ask = "get k\r\nset k 0 60 5\r\nvalue\r\nadd l 0 60 5\r\nvalue\r\ndelete m\r\n"
	const want = "END\r\nSTORED\r\nSTORED\r\nNOT_FOUND\r\n"
	server := kit.Unix(t)
	process := startServer(t, server)
	p, at := startMemcached(t, server, "-timeout", "200", "-retry", "50")
	p.WaitStderr(patience, "connected to dc_server")
	c := dialMemcached(t, at)
	process.Signal(syscall.SIGSTOP)
	asked := time.Now()
	c.send([]byte(ask))
	c.expect(want)
	if took := time.Since(asked); took < 150*time.Millisecond || took > 250*time.Millisecond {
		kit.TooSlow(t, "got the answers %v after the request with dc_server hung, want about -timeout", took)
	}
	process.Signal(syscall.SIGKILL)
	p.WaitStderr(patience, "lost dc_server")
	before := strings.Count(p.Stderr(), "\n")
	for range 100 {
		c.send([]byte(ask))
		c.expect(want)
	}
	if more := strings.Count(p.Stderr(), "\n") - before; more > 10 {
		t.Errorf("got %d lines logged for 400 requests without dc_server, want those of the link alone", more)
	}
}

// TestD11MemcachedFlood: a client of this front that pipelines without end leaves the other front's
// clients as good as alone.
func TestD11MemcachedFlood(t *testing.T) {
	t.Parallel()
	server := kit.Unix(t)
	startServer(t, server)
	p, at := startMemcached(t, server)
	p.WaitStderr(patience, "connected to dc_server")
	distcache := kit.Dial(t, p.Listens())
	slowest := func() time.Duration {
		var worst time.Duration
		for uid := range uint32(200) {
			asked := time.Now()
			distcache.ExpectStatus(kit.Have(uid, "nobody's"), codec.StatusNotOK)
			worst = max(worst, time.Since(asked))
		}
		return worst
	}
	alone := slowest()
	flood := dialMemcached(t, at)
	go func() { _, _ = io.Copy(io.Discard, flood) }()
	go func() {
		for lines := bytes.Repeat([]byte("get k\r\n"), 1000); ; {
			if _, err := flood.Write(lines); err != nil {
				return
			}
		}
	}()
	if flooded := slowest(); flooded > 20*max(alone, 5*time.Millisecond) {
		kit.TooSlow(t, "got %v at worst under a flood, and %v without", flooded, alone)
	}
}

// TestD04MemcachedHostile: what is no request ends its own client at most, and no other notices.
func TestD04MemcachedHostile(t *testing.T) {
	t.Parallel()
	server := kit.Unix(t)
	startServer(t, server)
	p, at := startMemcached(t, server)
	p.WaitStderr(patience, "connected to dc_server")
	honest := dialMemcached(t, at)
	honest.send([]byte("set k 0 60 5\r\nvalue\r\n"))
	honest.expect("STORED\r\n")
	for name, attack := range map[string]string{
		"a line without an end":          strings.Repeat("x", 2048),
		"a wrong magic":                  "\x80\x0a" + strings.Repeat("\x00", 22) + strings.Repeat("x", 24),
		"a body shorter than its key":    "\x80\x00\x00\x09" + strings.Repeat("\x00", 20),
		"quit, and more":                 "quit\r\nget k\r\n",
		"a key of no length":             "\x80\x01\x00\x00\x08" + strings.Repeat("\x00", 6) + "\x08" + strings.Repeat("\x00", 20),
		"a line without an end, no text": strings.Repeat("\xff", 2048),
	} {
		c := dialMemcached(t, at)
		c.send([]byte(attack))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadAll(c); os.IsTimeout(err) {
			t.Errorf("%s: got the client still connected", name)
		}
	}
	for _, attack := range []string{"set k 0 60 4000000000\r\n", "set k 0 60 1000000\r\nthe beginning", "\x80\x01\x00\x01\x08\x00\x00\x00\xff\xff\xff\xff"} {
		dialMemcached(t, at).send([]byte(attack)) // and nothing more
	}
	honest.send([]byte("version\r\nset k 0 60 5\r\nvalue\r\nget k\r\n"))
	honest.expect("VERSION 1.6.18\r\nSTORED\r\nVALUE k 0 5\r\nvalue\r\nEND\r\n")
}

// TestMemcachedStatsOfAllLoops: what a client asks of one loop is of all.
func TestMemcachedStatsOfAllLoops(t *testing.T) {
	var s sharedStats
	first, second := s.join(), s.join()
	first(&memcached.Counters{Gets: 3, Open: 1})
	second(&memcached.Counters{Gets: 4})
	second(&memcached.Counters{Gets: 5})
	if sum, loops := s.sum(); sum.Gets != 8 || sum.Open != 1 || loops != 2 {
		t.Errorf("got %d gets, %d open, %d loops, want 8, 1 and 2", sum.Gets, sum.Open, loops)
	}
}
