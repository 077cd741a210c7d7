package memcached

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
)

// daemon is what a Front with a Wire stands between: it remembers who asked, and does as it is told.
type daemon struct {
	*front.Front
	t     *testing.T
	wire  *Wire
	parks bool // requests are to come again
	asked []front.Asker
	ops   []codec.Op
	wrote string
}

func newDaemon(t *testing.T) *daemon {
	d := &daemon{t: t}
	pool := buffer.NewPool(1 << 20)
	d.wire = New(Config{Gets: 2, UnixNow: func() int64 { return 1_900_000_000 }, Share: func(*Counters) {}}, pool)
	d.Front = front.New(front.Config{Window: Window, Gets: 2, Ordered: true, Idle: deadline.Never, Foreign: d.wire}, d.wire, d, d, pool)
	d.Opened(1, 0)
	return d
}

func (d *daemon) Write(_ int, b []byte) (bool, error)        { d.wrote += string(b); return false, nil }
func (d *daemon) WriteParted(int, []byte, int) (bool, error) { return false, nil }
func (d *daemon) Unread(int) int                             { return 0 }
func (d *daemon) Close(int)                                  {}
func (d *daemon) Resume(int)                                 {}
func (d *daemon) EndTurn()                                   {}
func (d *daemon) Arriving([]front.Incoming)                  {}

func (d *daemon) Dropped(int, front.Reason, error, time.Duration) {}

func (d *daemon) Request(a front.Asker, m *codec.Message, _ time.Duration) bool {
	if !d.parks {
		d.asked, d.ops = append(d.asked, a), append(d.ops, m.Op)
	}
	return !d.parks
}

// send lets the client send text.
func (d *daemon) send(text string) {
	n := copy(d.Buffer(1), text)
	d.Received(1, d.Buffer(1)[:n], 0)
	d.TurnEnded(0)
}

// answer answers the open request that was asked first.
func (d *daemon) answer(payload string) {
	if len(d.asked) == 0 {
		d.t.Fatal("got no request, want one to answer")
	}
	a, op := d.asked[0], d.ops[0]
	d.asked, d.ops = d.asked[1:], d.ops[1:]
	d.Answer(a, codec.AppendMessage(nil, codec.Response, 0, op, []byte(payload)), 0)
	d.TurnEnded(0)
}

// TestScratchIsWiped: whatever becomes of a request, no byte of its key, ID or value stays in the memory of the
// Wire once its client has its answer, or has left.
func TestScratchIsWiped(t *testing.T) {
	key := "mod_ssl-sess:" + strings.Repeat("5e", 32)
	value := strings.Repeat("secret", 100)
	set := "set " + key + " 0 60 600\r\n" + value + "\r\n"
	leaves := func(d *daemon) { d.Failed(1, nil, 0) }
	for _, row := range []struct {
		name   string
		happen func(d *daemon)
	}{
		{"a get that is answered", func(d *daemon) { d.send("get " + key + "\r\n"); d.answer("secret") }},
		{"a get whose client leaves", func(d *daemon) { d.send("get " + key + "\r\n"); leaves(d) }},
		{"a get that waits for others", func(d *daemon) { d.send("get a b " + key + "\r\n"); leaves(d) }},
		{"a get that is to come again", func(d *daemon) { d.parks = true; d.send("get " + key + "\r\n"); leaves(d) }},
		{"a set that is answered", func(d *daemon) { d.send(set); d.answer("\x00") }},
		{"a set whose client leaves", func(d *daemon) { d.send(set); leaves(d) }},
		{"a set that waits for another", func(d *daemon) { d.send(set + set); leaves(d) }},
		{"a set that is to come again", func(d *daemon) { d.parks = true; d.send(set); leaves(d) }},
		{"a set that replaces", func(d *daemon) { d.send(set); d.answer("\x65"); d.answer("\x00"); d.answer("\x00") }},
		{"a set that replaces, and whose client leaves", func(d *daemon) { d.send(set); d.answer("\x65"); leaves(d) }},
		{"a set that has expired", func(d *daemon) { d.send(strings.Replace(set, " 60 ", " -1 ", 1)); d.answer("\x00") }},
		{"a delete", func(d *daemon) { d.send("delete " + key + "\r\n"); d.answer("\x00") }},
	} {
		d := newDaemon(t)
		row.happen(d)
		w := d.wire
		left := slices.Concat(w.id[:cap(w.id)], w.payload[:cap(w.payload)], w.message[:cap(w.message)], w.removal[:cap(w.removal)])
		for _, r := range w.free {
			for _, kept := range r.keys {
				left = append(left, kept[:]...)
			}
		}
		for _, secret := range []string{"secret", "5e5e", "\x5e\x5e\x5e"} {
			if n := bytes.Count(left, []byte(secret)); n > 0 {
				t.Errorf("%s: got %q %d times, want nothing left", row.name, secret, n)
			}
		}
	}
}

// TestD05TheRemovalIsNoAnswer: of a set that replaces, the answer to the ADD is the one that counts, and it comes once.
func TestD05TheRemovalIsNoAnswer(t *testing.T) {
	d := newDaemon(t)
	d.send("set k 0 60 5\r\nvalue\r\n")
	d.answer("\x65") // it is there
	d.answer("\x00") // removed
	if d.wrote != "" {
		t.Errorf("got %q before the ADD is answered, want nothing", d.wrote)
	}
	d.answer("\x00")
	if d.wrote != "STORED\r\n" {
		t.Errorf("got %q, want STORED once", d.wrote)
	}
}
