package plan

import (
	"testing"
	"time"

	"distcache/codec"
)

func TestStreamIsWithinItsBounds(t *testing.T) {
	c := DefaultConfig()
	c.Mix = Mix{Add: 1, Get: 2, Remove: 3, Have: 4}
	c.Pipeline, c.Sessions = 4, 11
	p := New(&c)
	s := p.NewStream(3)
	const n = 100_000
	var ops [codec.NumOps]int
	slots := map[uint32]int{}
	shortest, longest := ^uint32(0), uint32(0)
	for i := range uint64(n) {
		o := p.Next(&s)
		ops[o.Op]++
		slots[o.Slot]++
		shortest, longest = min(shortest, o.size), max(longest, o.size)
		if o.Index != i {
			t.Fatalf("got index %d, want %d", o.Index, i)
		}
		if o.Slot%4 != uint32(i%4) || o.Slot >= 11 {
			t.Fatalf("operation %d: got slot %d, want one under 11 of lane %d", i, o.Slot, i%4)
		}
		if low, high := c.Timeout-c.TimeVar, c.Timeout+c.TimeVar; o.life() < low || o.life() > high {
			t.Fatalf("operation %d: got a life of %v, want %v to %v", i, o.life(), low, high)
		}
	}
	if shortest != 50 || longest != 2100 {
		t.Errorf("got sizes from %d to %d, want 50 to 2100", shortest, longest)
	}
	if len(slots) != 11 {
		t.Errorf("got %d slots, want 11", len(slots))
	}
	for op, weight := range []int{1, 2, 3, 4} {
		if got, want := ops[op], n*weight/10; got < want*9/10 || got > want*11/10 {
			t.Errorf("%v: got %d of %d, want about %d", codec.Op(op), got, n, want)
		}
	}
}

func TestIDsAreDifferentAndOfEveryLength(t *testing.T) {
	c := DefaultConfig()
	p := New(&c)
	ids, lengths := map[string]sessionName{}, map[int]int{}
	for client := range uint32(20) {
		for slot := range uint32(50) {
			for generation := range uint32(20) {
				name := sessionName{client, slot, generation}
				id := string(p.AppendID(nil, name))
				if other, ok := ids[id]; ok {
					t.Fatalf("%+v and %+v: got the same ID %x", name, other, id)
				}
				ids[id] = name
				lengths[len(id)]++
			}
		}
	}
	for n := 10; n <= 63; n++ {
		if lengths[n] == 0 {
			t.Errorf("got no ID of %d bytes of %d, want some", n, len(ids))
		}
		delete(lengths, n)
	}
	if len(lengths) > 0 {
		t.Errorf("got IDs of lengths %v, want 10 to 63 alone", lengths)
	}
}

func TestContentIsRecognised(t *testing.T) {
	c := DefaultConfig()
	p := New(&c)
	for _, size := range []uint32{2, 7, 8, 9, 50, 2100, MaxData} {
		want := content{tag: p.tag(1, 2), cut: blockCuts - 1, size: size}
		b := p.appendContent(nil, want)
		if len(b) != int(size) || !p.isContent(b, want) {
			t.Errorf("%d bytes: got %d, want what was appended to be recognised", size, len(b))
		}
		for _, at := range []int{0, len(b) / 2, len(b) - 1} {
			b[at] ^= 1
			if p.isContent(b, want) {
				t.Errorf("%d bytes: byte %d is changed and was not noticed", size, at)
			}
			b[at] ^= 1
		}
		if p.isContent(b[:len(b)-1], want) || p.isContent(append(b, 0), want) {
			t.Errorf("%d bytes: another length was not noticed", size)
		}
		if size >= 8 && p.isContent(b, content{tag: p.tag(1, 3), cut: want.cut, size: size}) {
			t.Errorf("%d bytes: data of another ADD were taken for these", size)
		}
	}
}

func TestLifeIsSent(t *testing.T) {
	c := DefaultConfig()
	c.Timeout, c.TimeVar = 90*time.Second, 0
	p := New(&c)
	e := Encoder{Plan: p, Protocol: Distcache()}
	s := p.NewStream(0)
	o := p.Next(&s)
	o.Op = codec.OpAdd
	requests := codec.NewAssembler(codec.Request)
	m, err := requests.Next(e.Append(nil, &Pending{Operation: o}))
	if err != nil {
		t.Fatal(err)
	}
	a, status := codec.ParseAdd(m.Payload(nil))
	if status != codec.StatusOK || a.Timeout != 90*time.Second || m.UID != o.UID {
		t.Errorf("got status %v, timeout %v, uid %d, want OK, 1m30s, %d", status, a.Timeout, m.UID, o.UID)
	}
}
