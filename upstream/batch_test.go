package upstream

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"distcache/internal/test/kit"
)

// stretch is n bytes that differ from those of another seed.
func stretch(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i*5)
	}
	return b
}

func TestTailIsWhereTheNextRequestLies(t *testing.T) {
	var b batch
	tail := b.tail(tailRoom)
	if len(tail) != tailRoom {
		t.Fatalf("got a tail of %d bytes, want %d", len(tail), tailRoom)
	}
	n := copy(tail, stretch(50, 1))
	place := b.add(tail[:n])
	if &place[0] != &tail[0] {
		t.Error("a request that lay at the tail was moved")
	}
	if got := b.unsent(); !bytes.Equal(got, stretch(50, 1)) {
		t.Errorf("got %x to send, want the request", got)
	}
}

// TestAddFromBehindTheTail is a client's read that brought a request which was answered
// here, and then one to forward: it closes up, over itself where the gap is small.
func TestAddFromBehindTheTail(t *testing.T) {
	for _, gap := range []int{1, 20, 49, 50, 51, 500} {
		var b batch
		b.add(stretch(100, 9))
		tail := b.tail(tailRoom)
		copy(tail[gap:], stretch(50, 1))
		copy(tail[gap+50:], "what comes behind")
		b.add(tail[gap : gap+50])
		if want := append(stretch(100, 9), stretch(50, 1)...); !bytes.Equal(b.unsent(), want) {
			t.Errorf("gap of %d: got %x, want %x", gap, b.unsent(), want)
		}
		if got := string(tail[gap+50 : gap+67]); got != "what comes behind" {
			t.Errorf("gap of %d: the bytes behind became %q", gap, got)
		}
	}
}

func TestAddFromElsewhere(t *testing.T) {
	var b batch
	b.tail(tailRoom)
	big := stretch(3*batchStart, 3)
	b.add(stretch(10, 1))
	b.add(big)
	if want := append(stretch(10, 1), big...); !bytes.Equal(b.unsent(), want) {
		t.Error("a request larger than the free memory was not appended as it is")
	}
}

// TestOldMemoryIsWiped: a batch that has grown leaves nothing where it was.
func TestOldMemoryIsWiped(t *testing.T) {
	var b batch
	b.add(stretch(100, 1))
	copy(b.tail(tailRoom), stretch(50, 2))
	old := b.buf[:cap(b.buf)]
	b.add(stretch(cap(b.buf), 3))
	if left := bytes.TrimLeft(old, "\x00"); len(left) > 0 || &old[0] == &b.buf[0] {
		t.Errorf("got %.20x left in the old memory, want it wiped", left)
	}
}

func TestWroteInParts(t *testing.T) {
	var b batch
	b.add(stretch(100, 1))
	b.wrote(30)
	b.add(stretch(20, 7))
	if want := append(stretch(100, 1)[30:], stretch(20, 7)...); !bytes.Equal(b.unsent(), want) {
		t.Errorf("got %x, want %x", b.unsent(), want)
	}
	b.wrote(90)
	if len(b.unsent()) != 0 || len(b.buf) != 0 || b.sent != 0 {
		t.Errorf("after all was written: %d bytes to send, %d kept, %d sent, want none", len(b.unsent()), len(b.buf), b.sent)
	}
}

// TestBatchReusesItsMemory writes in parts for ever, never to the end, as with a
// server that is always a little behind.
func TestBatchReusesItsMemory(t *testing.T) {
	var b batch
	b.add(stretch(1000, 1))
	for range 100_000 {
		b.add(stretch(100, 2))
		b.wrote(100)
	}
	if got := cap(b.buf); got > batchStart {
		t.Errorf("got %d bytes of memory for 1,100 to send, want at most %d", got, batchStart)
	}
}

// TestBatchMemoryIsBounded fills the batch to a limit again and again, with a server
// that takes a little less than half of it in between.
func TestBatchMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	var b batch
	wire := stretch(1000, 1)
	for range 50 {
		for len(b.unsent())+len(wire) <= limit {
			b.tail(tailRoom)
			b.add(wire)
		}
		b.wrote(max(1, len(b.buf)/2-1-b.sent))
	}
	if got, most := cap(b.buf), 2*(limit+tailRoom); got > most {
		t.Errorf("got %d bytes of memory for at most %d to send, want at most %d", got, limit, most)
	}
}

// TestBatchAgainstAModel appends, at the tail and from elsewhere, and writes, at
// random, and compares what is to be sent with a plain slice.
func TestBatchAgainstAModel(t *testing.T) {
	rng := kit.Random(t)
	for range 200 {
		modelBatch(t, rng)
	}
}

func modelBatch(t *testing.T, rng *rand.Rand) {
	t.Helper()
	var b batch
	var model []byte
	for step := range 200 {
		wire := stretch(1+rng.IntN(1<<rng.IntN(14)), byte(step))
		switch k := rng.IntN(40); {
		case k == 0:
			b.wrote(len(b.unsent()))
			model, wire = nil, nil
		case k < 10:
			n := rng.IntN(len(model) + 1)
			b.wrote(n)
			model, wire = model[n:], nil
		case k < 30 && len(wire) <= tailRoom:
			tail := b.tail(tailRoom)
			gap := rng.IntN(tailRoom - len(wire) + 1)
			read := copy(tail, stretch(gap+len(wire)+rng.IntN(tailRoom-len(wire)-gap+1), 99)) // some of it is answered here
			copy(tail[gap:], wire)
			b.add(tail[gap : gap+len(wire)])
			if rng.IntN(2) == 0 {
				b.add(wire) // of another client, which was held
				model = append(model, wire...)
			}
			b.consumed(read)
		default:
			b.add(wire)
		}
		model = append(model, wire...)
		if !bytes.Equal(b.unsent(), model) {
			t.Fatalf("step %d: %d bytes to send differ from the model's %d", step, len(b.unsent()), len(model))
		}
		for _, rest := range [][]byte{b.buf[:b.sent], b.buf[len(b.buf):cap(b.buf)]} {
			if left := len(rest) - bytes.Count(rest, []byte{0}); left > 0 {
				t.Fatalf("step %d: got %d bytes left beside the %d to send, want them wiped", step, left, len(model))
			}
		}
	}
}
