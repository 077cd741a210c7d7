package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/upstream"
)

// memRig is a rig whose front speaks memcached's protocols.
type memRig struct {
	*rig
	wire      *memcached.Wire
	distcache *front.Front // for clients of distcache's own protocol
	held      bool         // of each Write
}

func (r *memRig) Write(c int, b []byte) (held bool, err error) {
	_, err = r.rig.Write(c, b)
	return r.held, err
}

func newMemRig(t testing.TB, more func(*memcached.Config)) *memRig {
	return newMemRigWith(t, testConfig(), more)
}

func newMemRigWith(t testing.TB, agent Config, more func(*memcached.Config)) *memRig {
	r := &memRig{rig: newRig(t, agent)}
	r.distcache = r.Front
	config := memcached.Config{Gets: agent.Gets, PID: 7, UnixNow: func() int64 { return 1_900_000_000 },
		Uptime: func() time.Duration { return 3 * time.Second }, Share: func(*memcached.Counters) {},
		Sum: func() (memcached.Counters, int) { return r.wire.Counters, 1 }}
	if more != nil {
		more(&config)
	}
	r.wire = memcached.New(config, r.pool)
	r.Front = r.Agent.AddMemcached(r.wire, r, r.pool)
	return r
}

// upMemRig is one whose connection is up, with client 1.
func upMemRig(t testing.TB) *memRig {
	r := newMemRig(t, nil)
	r.comeUp()
	r.come(1)
	return r
}

// binary is a request of the binary protocol.
func binaryRequest(opcode byte, extras, key, value string) string {
	b := make([]byte, 24)
	body := extras + key + value
	b[0], b[1], b[3], b[4] = 0x80, opcode, byte(len(key)), byte(len(extras))
	b[10], b[11] = byte(len(body)>>8), byte(len(body))
	copy(b[12:], "opaq")
	return string(b) + body
}

func binaryAnswer(opcode, status byte, body string) string {
	b := make([]byte, 24)
	b[0], b[1], b[7], b[11] = 0x81, opcode, status, byte(len(body))
	copy(b[12:], "opaq")
	return string(b) + body
}

const storeExtras = "\x00\x00\x00\x00\x00\x00\x00\x3c"

// concealing are requests, and what they get from a cache that fails.
var concealing = []struct{ name, send, want string }{
	{"get", "get k\r\n", "END\r\n"},
	{"gets of two", "gets k l\r\n", "END\r\n"},
	{"set", "set k 0 60 5\r\nvalue\r\n", "STORED\r\n"},
	{"set without a reply", "set k 0 60 5 noreply\r\nvalue\r\n", ""},
	{"add", "add k 0 60 5\r\nvalue\r\n", "STORED\r\n"},
	{"set that has expired", "set k 0 -1 5\r\nvalue\r\n", "STORED\r\n"},
	{"delete", "delete k 0\r\n", "NOT_FOUND\r\n"},
	{"GET", binaryRequest(0x00, "", "k", ""), binaryAnswer(0x00, 1, "Not found")},
	{"GETQ", binaryRequest(0x09, "", "k", ""), ""},
	{"SET", binaryRequest(0x01, storeExtras, "k", "value"), binaryAnswer(0x01, 0, "")},
	{"SETQ", binaryRequest(0x11, storeExtras, "k", "value"), ""},
	{"ADD", binaryRequest(0x02, storeExtras, "k", "value"), binaryAnswer(0x02, 0, "")},
	{"ADDQ", binaryRequest(0x12, storeExtras, "k", "value"), ""},
	{"DELETE", binaryRequest(0x04, "", "k", ""), binaryAnswer(0x04, 1, "Not found")},
}

// TestD01FailureIsConcealed: whatever dc_server does, a get is a miss, a store has succeeded, and
// a delete has found nothing, within -timeout; and it is counted.
func TestD01FailureIsConcealed(t *testing.T) {
	lie := func(payload string) func(r *memRig) {
		return func(r *memRig) {
			for _, m := range r.seen() {
				r.answer(m, payload)
			}
		}
	}
	states := []struct {
		name   string
		before bool // the link goes before the request
		act    func(r *memRig)
	}{
		{"down", true, func(r *memRig) { r.Link().Broken(upstream.ErrClosed, r.now) }},
		{"lost", false, func(r *memRig) { r.Link().Broken(upstream.ErrClosed, r.now); r.TurnEnded(r.now) }},
		{"hung", false, func(r *memRig) { r.at(r.now + testTimeout) }},
		{"lying: DISCONNECTED", false, lie("\x02")},
		{"lying: a status that is none", false, lie("\x68")},
		{"lying: nothing", false, lie("")},
	}
	for _, state := range states {
		for _, row := range concealing {
			if state.name == "lying: nothing" && !strings.HasPrefix(strings.ToLower(row.name), "get") {
				continue // an empty answer of the old dc_client: a GET's alone is told apart
			}
			t.Run(state.name+", "+row.name, func(t *testing.T) {
				r := upMemRig(t)
				if state.before {
					state.act(r)
				}
				r.send(1, []byte(row.send))
				if !state.before {
					r.mustGetNothing(1)
					state.act(r)
				}
				r.mustGetBytes(1, []byte(row.want))
				if total := r.wire.Counters.Concealed; total == [4]uint64{} {
					t.Error("got nothing counted")
				}
				r.send(1, []byte(row.send)) // the connection is as good as before
				if r.closed[1] {
					t.Error("got the client closed")
				}
			})
		}
	}
}

// TestD05LateAnswer: an answer after our own miss is dropped, also when the same key has been asked
// for again.
func TestD05LateAnswer(t *testing.T) {
	r := upMemRig(t)
	r.send(1, []byte("get k\r\n"))
	late := r.seenOne()
	r.at(r.now + testTimeout)
	r.mustGetBytes(1, []byte("END\r\n"))
	r.send(1, []byte("get k\r\n"))
	again := r.seenOne()
	r.answer(late, "the old value")
	r.mustGetNothing(1)
	r.answer(again, "the value")
	r.mustGetBytes(1, []byte("VALUE k 0 9\r\nthe value\r\nEND\r\n"))
}

// TestD02AnswersInOrder: dc_server answers the other way round, and each answer is whole and in its place.
func TestD02AnswersInOrder(t *testing.T) {
	r := upMemRig(t)
	r.send(1, []byte("get a\r\nversion\r\nset b 0 60 5 noreply\r\nvalue\r\ndelete c\r\nnonsense\r\n"))
	all := r.seen()
	if len(all) != 3 {
		t.Fatalf("got %d requests sent on, want 3: stores and gets do not wait for each other", len(all))
	}
	r.answer(all[2], "\x00")
	r.answer(all[1], "\x00")
	r.mustGetNothing(1)
	r.answer(all[0], "session")
	r.mustGetBytes(1, []byte("VALUE a 0 7\r\nsession\r\nEND\r\nVERSION 1.6.18\r\nDELETED\r\nERROR\r\n"))
}

// TestD02NeverReads: a client that does not read is not closed with a part of an answer written,
// however long that takes, and gets no more meanwhile.
func TestD02NeverReads(t *testing.T) {
	r := upMemRig(t)
	r.held = true
	r.send(1, []byte("version\r\n"))
	r.at(r.now + 10*time.Minute)
	if r.closed[1] || len(r.drops) > 0 || len(r.Front.Buffer(1)) > 0 {
		t.Errorf("got closed %v, dropped %v, or read from, want it left alone", r.closed[1], r.drops)
	}
	r.held = false
	r.Front.Drained(1, r.now)
	r.got[1] = nil
	r.send(1, []byte("version\r\n"))
	r.mustGetBytes(1, []byte("VERSION 1.6.18\r\n"))
	r.at(r.now + 10*time.Minute)
	if r.closed[1] {
		t.Error("got an idle client closed without -idle")
	}
}

// TestQuit: the answers before it are given, then the client is closed, and what follows is nothing.
func TestQuit(t *testing.T) {
	r := upMemRig(t)
	r.send(1, []byte("get k\r\nquit\r\n"))
	if r.closed[1] {
		t.Fatal("got the client closed before its answer")
	}
	r.answer(r.seenOne(), "session")
	r.mustGetBytes(1, []byte("VALUE k 0 7\r\nsession\r\nEND\r\n"))
	if !r.closed[1] || len(r.drops) > 0 {
		t.Errorf("got closed %v, dropped %v, want closed and no fault", r.closed[1], r.drops)
	}
	r.come(1)
	r.send(1, []byte(binaryRequest(0x00, "", "", "")+binaryRequest(0x0a, "", "", "")))
	r.mustGetBytes(1, []byte(binaryAnswer(0x00, 4, "Invalid arguments")))
	if !r.closed[1] {
		t.Error("got the client still there after a request whose end is not known")
	}
	r.come(1) // under the same number, and as if new
	r.send(1, []byte("version\r\n"))
	r.mustGetBytes(1, []byte("VERSION 1.6.18\r\n"))
}

// TestD08LongValues: what does not fit is too large, and the value before is gone; a GET of the
// binary protocol brings no value over 16,380 bytes.
func TestD08LongValues(t *testing.T) {
	most := codec.MaxPayload - codec.AddOverhead - 32 // the ID of a key that is none of theirs is a SHA-256
	for _, size := range []int{most, most + 1, 32768, 32769, 100_000} {
		r := upMemRig(t)
		r.sendAll(1, fmt.Sprintf("set k 0 60 %d\r\n%s\r\nversion\r\n", size, strings.Repeat("v", size)))
		m := r.seenOne()
		r.answer(m, "\x00")
		want, op := "STORED\r\n", codec.OpAdd
		if size > most {
			want, op = "SERVER_ERROR object too large for cache\r\n", codec.OpRemove
		}
		if m.Op != op {
			t.Errorf("%d bytes: got %v sent on, want %v", size, m.Op, op)
		}
		r.mustGetBytes(1, []byte(want+"VERSION 1.6.18\r\n"))
	}
	r := upMemRig(t)
	r.send(1, []byte(binaryRequest(0x00, "", "k", "")+binaryRequest(0x0c, "", "k", "")))
	all := r.seen()
	r.answer(all[0], strings.Repeat("v", 16_381))
	r.mustGetBytes(1, []byte(binaryAnswer(0x00, 1, "Not found")))
	r.answer(all[1], strings.Repeat("v", 16_381))
	if got := len(r.got[1]); got != 24+4+1+16_381 || r.wire.Counters.TooLong != 1 {
		t.Errorf("got %d bytes of GETK and %d values too long, want the value and 1", got, r.wire.Counters.TooLong)
	}
}

// sendAll is send, in pieces that the front takes.
func (r *memRig) sendAll(c int, text string) {
	for b := []byte(text); len(b) > 0; {
		buf := r.Front.Buffer(c)
		if len(buf) == 0 {
			r.t.Fatalf("client %d is not read from, with %d bytes left", c, len(b))
		}
		n := copy(buf, b)
		b = b[n:]
		r.Front.Received(c, buf[:n], r.now)
		r.TurnEnded(r.now)
	}
}

// TestExists: a set of an ID that is there is REMOVE and ADD with nothing in between, and one
// request more is not overtaken.
func TestExists(t *testing.T) {
	r := upMemRig(t)
	r.come(2)
	r.send(1, []byte("set k 0 60 5\r\nvalue\r\nget k\r\n"))
	add := r.seenOne() // the get waits: it would find the old value
	r.send(2, []byte("get other\r\n"))
	r.seenOne()
	r.answer(add, "\x65")
	all := r.seen()
	if len(all) != 2 || all[0].Op != codec.OpRemove || all[1].Op != codec.OpAdd || string(all[1].Payload(nil)) != string(add.Payload(nil)) {
		t.Fatalf("got %v sent on, want the REMOVE and the same ADD", all)
	}
	r.mustGetNothing(1)
	r.answer(all[1], "\x00")
	r.answer(all[0], "\x00") // it comes too late to matter
	r.mustGetBytes(1, []byte("STORED\r\n"))
	r.answer(r.seenOne(), "value")
	r.mustGetBytes(1, []byte("VALUE k 0 5\r\nvalue\r\nEND\r\n"))
	r.send(1, []byte("add k 0 60 5\r\nvalue\r\n"))
	r.answer(r.seenOne(), "\x65")
	r.mustGetBytes(1, []byte("NOT_STORED\r\n"))
	if r.wire.Counters.Replaced != 1 || r.wire.Counters.Concealed != [4]uint64{} {
		t.Errorf("got %+v, want 1 replaced and nothing concealed", r.wire.Counters)
	}
}

// TestRemoveIgnored: -remove ignore says that it has removed, asks for nothing, and counts.
func TestRemoveIgnored(t *testing.T) {
	r := newMemRig(t, func(c *memcached.Config) { c.IgnoreRemoves = true })
	r.comeUp()
	r.come(1)
	r.send(1, []byte("delete k\r\ndelete k 0 noreply\r\n"))
	r.mustGetBytes(1, []byte("DELETED\r\n"))
	if n := len(r.seen()); n != 0 || r.wire.Counters.Ignored != 2 || r.wire.Counters.Deletes != 2 {
		t.Errorf("got %d requests sent on and %+v, want none and 2 ignored", n, r.wire.Counters)
	}
}

// TestStats gives figures under the names that Apache's status page reads.
func TestStats(t *testing.T) {
	r := upMemRig(t)
	r.send(1, []byte("get k l\r\nset m 0 60 5\r\nvalue\r\n"))
	for n, m := range r.seen() {
		r.answer(m, []string{"session", "\x01", "\x00"}[n])
	}
	r.got[1] = nil
	r.send(1, []byte("stats \r\n"))
	got := string(r.got[1])
	for _, line := range []string{"pid 7", "uptime 3", "time 1900000000", "version 1.6.18", "pointer_size", "curr_connections 1", "total_connections 1",
		"cmd_get 2", "cmd_set 1", "get_hits 1", "get_misses 1", "bytes_read 30", "bytes_written 35", "threads 1"} {
		if !strings.Contains(got, "STAT "+line) {
			t.Errorf("got %q, want STAT %s", got, line)
		}
	}
	if !strings.HasSuffix(got, "\r\nEND\r\n") {
		t.Errorf("got %q, want END at the end", got)
	}
}

// TestMemcachedIdle: -idle counts, but nobody is closed before a minute: Apache takes the cache for
// dead when its connection ends.
func TestMemcachedIdle(t *testing.T) {
	for _, row := range []struct{ idle, want time.Duration }{{5 * time.Second, time.Minute}, {2 * time.Minute, 2 * time.Minute}} {
		r := newMemRig(t, func(*memcached.Config) {})
		r.Agent.config.Idle = row.idle
		f := r.Agent.AddMemcached(r.wire, r, r.pool)
		f.Opened(1, 0)
		if got := f.Deadline(); got != row.want {
			t.Errorf("-idle %v: got a client closed after %v, want %v", row.idle, got, row.want)
		}
	}
}

// TestMemcachedFigures: what the front counts is in the figures.
func TestMemcachedFigures(t *testing.T) {
	r := upMemRig(t)
	r.Link().Broken(upstream.ErrClosed, r.now)
	r.send(1, []byte("get k\r\nset k 16 60 5\r\nvalue\r\n"))
	set := metrics.NewSet()
	r.Agent.Snapshot(r.now).Collect(set)
	for name, want := range map[string]float64{"distcache_memcached_requests_total": 1, "distcache_memcached_concealed_total": 1, "distcache_memcached_refused_total": 1} {
		if got := set.Total(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
