package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// fed is what came of a stream.
type fed struct {
	messages  [][]byte
	undecoded []byte
	rest      int // bytes of a message that is not whole
	err       error
}

// feedIn feeds b in pieces of the sizes that next gives.
func feedIn(b []byte, next func() int) fed {
	var f fed
	s := newStream(codec.Request)
	for len(b) > 0 {
		n := min(len(b), next())
		piece := bytes.Clone(b[:n]) // as a buffer that is used again
		if s.opaque {
			f.undecoded = append(f.undecoded, piece...)
		} else if undecoded, err := s.feed(piece, func(m codec.Message) { f.messages = append(f.messages, bytes.Clone(m.Wire)) }); err != nil {
			f.err, f.undecoded = err, bytes.Clone(undecoded)
		}
		clear(piece)
		b = b[n:]
	}
	f.rest = len(s.rest)
	return f
}

// equal ignores the pieces in which undecoded bytes came, and which of several wrong fields was seen first.
func (f fed) equal(g fed) bool {
	return slices.EqualFunc(f.messages, g.messages, bytes.Equal) && bytes.Equal(f.undecoded, g.undecoded) &&
		f.rest == g.rest && (f.err == nil) == (g.err == nil)
}

// String is short.
func (f fed) String() string {
	return fmt.Sprintf("%d messages, %d bytes undecoded, %d left, error %v", len(f.messages), len(f.undecoded), f.rest, f.err)
}

func TestStreamFindsMessages(t *testing.T) {
	t.Parallel()
	one := kit.Get(1, "id")
	large := kit.Add(2, "id", strings.Repeat("d", 9000), time.Minute)
	bad := append(kit.Have(3, "id")[:4:4], 7)
	tests := []struct {
		name      string
		bytes     [][]byte
		messages  int
		undecoded int
		rest      int
	}{
		{"nothing", nil, 0, 0, 0},
		{"one", [][]byte{one}, 1, 0, 0},
		{"three", [][]byte{one, large, one}, 3, 0, 0},
		{"a part", [][]byte{one, large[:5000]}, 1, 0, 5000},
		{"garbage", [][]byte{[]byte("GET / HTTP/1.0\r\n\r\n")}, 0, 18, 0},
		{"garbage behind a message", [][]byte{one, bad, one}, 1, 5 + len(one), 0},
		{"an answer", [][]byte{kit.Status(1, codec.OpAdd, 0)}, 0, 15, 0},
	}
	random := kit.Random(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := slices.Concat(test.bytes...)
			whole := feedIn(all, func() int { return len(all) })
			if len(whole.messages) != test.messages || len(whole.undecoded) != test.undecoded || whole.rest != test.rest {
				t.Fatalf("got %d messages, %d bytes undecoded, %d left, want %d, %d, %d", len(whole.messages), len(whole.undecoded),
					whole.rest, test.messages, test.undecoded, test.rest)
			}
			var corrupt *codec.CorruptError
			if errors.As(whole.err, &corrupt) != (test.undecoded > 0) {
				t.Errorf("got error %v, want one of corruption: %v", whole.err, test.undecoded > 0)
			}
			pieces := func() int { return 1 + random.IntN(100) }
			if got := feedIn(all, pieces); !got.equal(whole) {
				t.Errorf("got %v in random pieces, want %v as in one", got, whole)
			}
			if got := feedIn(all, func() int { return 1 }); !got.equal(whole) {
				t.Errorf("got %v byte by byte, want %v as in one", got, whole)
			}
		})
	}
}

// FuzzStream: whatever the bytes and the pieces, the same is found, and no byte is lost.
func FuzzStream(f *testing.F) {
	f.Add(kit.Get(1, "id"), uint64(1))
	f.Add(append(kit.Add(2, "id", strings.Repeat("d", 3000), time.Minute), kit.Have(3, "x")...), uint64(2))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole := feedIn(b, func() int { return len(b) })
		random := rand.New(rand.NewPCG(seed, 0))
		if got := feedIn(b, func() int { return 1 + random.IntN(40) }); !got.equal(whole) {
			t.Errorf("got %v in pieces, want %v as in one", got, whole)
		}
		if n := len(slices.Concat(whole.messages...)) + len(whole.undecoded) + whole.rest; n != len(b) {
			t.Errorf("got %d bytes accounted for, want %d", n, len(b))
		}
	})
}

// TestStreamKeepsLittle: after a large message the memory for it is given back.
func TestStreamKeepsLittle(t *testing.T) {
	t.Parallel()
	s := newStream(codec.Request)
	large := kit.Add(1, "id", strings.Repeat("d", 30000), time.Minute)
	found := 0
	for len(large) > 0 {
		n := min(1000, len(large))
		if _, err := s.feed(large[:n], func(codec.Message) { found++ }); err != nil {
			t.Fatal(err)
		}
		large = large[n:]
	}
	if found != 1 || cap(s.rest) > keptBuffer {
		t.Errorf("got %d messages and %d bytes kept, want 1 and at most %d", found, cap(s.rest), keptBuffer)
	}
}
