package front

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
)

// door is what Datagrams stand between.
type door struct {
	asked []Asker
	down  bool
	sent  int
}

func (d *door) Send(Peer, []byte) bool { d.sent++; return true }

func (d *door) Forward(a Asker, _ *codec.Message, _ time.Duration) bool {
	d.asked = append(d.asked, a)
	return !d.down
}

// TestDatagramsAreWiped: once a request is sent on, or a get answered or too late, no byte of its key or session is left.
func TestDatagramsAreWiped(t *testing.T) {
	key, value := bytes.Repeat([]byte{0x5e}, sessiond.KeyLen), bytes.Repeat([]byte("secrets!"), sessiond.MaxValue/8)
	get := sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: key})
	found := codec.AppendMessage(nil, codec.Response, 0, codec.OpGet, value)
	for _, row := range []struct {
		name   string
		happen func(d *Datagrams, at *door)
	}{
		{"new", func(d *Datagrams, _ *door) {
			d.Received(1, sessiond.Append(nil, sessiond.Packet{Type: sessiond.New, Timeout: time.Minute, Key: key, Value: value}), 0, 0)
		}},
		{"removal", func(d *Datagrams, _ *door) {
			d.Received(1, sessiond.Append(nil, sessiond.Packet{Type: sessiond.Remove, Key: key}), 0, 0)
		}},
		{"get that is answered", func(d *Datagrams, at *door) { d.Received(1, get, 0, 0); d.Answer(at.asked[0], found, 0) }},
		{"get that is too late", func(d *Datagrams, at *door) { d.Received(1, get, 0, 0); d.Answer(at.asked[0], found, time.Second) }},
		{"get without a connection", func(d *Datagrams, at *door) { at.down = true; d.Received(1, get, 0, 0) }},
	} {
		at := &door{}
		d := NewDatagrams(at, at, true)
		scratch := []int{cap(d.payload), cap(d.message), cap(d.packet)}
		row.happen(d, at)
		if grown := []int{cap(d.payload), cap(d.message), cap(d.packet)}; !slices.Equal(grown, scratch) {
			t.Errorf("%s: the scratch has grown from %v to %v, and what it was is not wiped", row.name, scratch, grown)
		}
		left := slices.Concat(d.payload[:cap(d.payload)], d.message[:cap(d.message)], d.packet[:cap(d.packet)])
		for _, g := range d.gets {
			left = append(left, g.key[:]...)
		}
		for _, secret := range [][]byte{key[:8], []byte("secret")} {
			if n := bytes.Count(left, secret); n > 0 {
				t.Errorf("%s: got %q %d times, want nothing left", row.name, secret, n)
			}
		}
	}
}

// TestD05StaleAnswersAreDropped: a second answer to a get, and one that comes when another get has its place, are
// dropped.
func TestD05StaleAnswersAreDropped(t *testing.T) {
	at := &door{}
	d := NewDatagrams(at, at, false)
	get := sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: bytes.Repeat([]byte{7}, sessiond.KeyLen)})
	found := codec.AppendMessage(nil, codec.Response, 0, codec.OpGet, []byte("session"))
	d.Received(1, get, 0, 0)
	first := at.asked[0]
	if !d.Answer(first, found, 0) || at.sent != 1 {
		t.Fatalf("got %d answers sent, want 1", at.sent)
	}
	if d.Answer(first, found, 0) {
		t.Error("got a second answer taken, want it dropped")
	}
	d.Received(2, get, 0, 0)
	if d.Answer(first, found, 0) || at.sent != 1 || d.Open() != 1 {
		t.Errorf("got %d answers sent and %d gets open, want the answer to an earlier get dropped", at.sent, d.Open())
	}
	if !d.Answer(at.asked[1], found, 0) || at.sent != 2 {
		t.Errorf("got %d answers sent, want 2", at.sent)
	}
}
