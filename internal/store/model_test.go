package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/test/kit"
)

// pair is a Memory and the naive store, to which the same is done.
type pair struct {
	t      *testing.T
	config Config
	memory *Memory
	naive  *naive
	now    time.Duration
	data   []byte // of which every session takes a piece
	// choose gives a number from 0 to n-1: from a random source, or from a fuzzer's bytes.
	choose func(n int) int
}

func newPair(t *testing.T, c Config, choose func(n int) int) *pair {
	t.Helper()
	data := make([]byte, codec.MaxDataLen+1+256)
	for i := range data {
		data[i] = byte(i ^ i>>8)
	}
	return &pair{t: t, config: c, memory: newMemory(t, c), naive: newNaive(c), data: data, choose: choose}
}

// step does one operation and compares what came of it.
func (p *pair) step() {
	p.t.Helper()
	switch p.choose(16) {
	case 0, 1, 2, 3, 4, 5, 6:
		p.add()
	case 7, 8, 9:
		p.view()
	case 10:
		id := p.id()
		_, want := p.naive.view(id, p.now)
		compare(p.t, "Have", p.memory.Have(id, p.now), want)
	case 11, 12:
		id := p.id()
		compare(p.t, "Remove", p.memory.Remove(id, p.now), p.naive.remove(id, p.now))
	case 13:
		budget := p.choose(20)
		compare(p.t, "Expire", p.memory.Expire(p.now, budget), p.naive.expire(p.now, budget))
	default:
		p.pass()
	}
	compare(p.t, "Len", p.memory.Len(), len(p.naive.order))
	compare(p.t, "Deadline", p.memory.Deadline(), p.naive.deadline())
}

func (p *pair) add() {
	id, data := p.id(), p.data[p.naive.added%256:][:p.dataLen()]
	ttl := p.ttl()
	compare(p.t, "Add", p.memory.Add(id, data, ttl, p.now), p.naive.add(id, data, ttl, p.now))
	p.compareView(id)
}

func (p *pair) view() {
	if p.choose(8) == 0 {
		p.memory.Announce([][]byte{p.id(), p.id()})
	}
	p.compareView(p.id())
}

func (p *pair) compareView(id []byte) {
	got, gotOK := p.memory.View(id, p.now)
	want, wantOK := p.naive.view(id, p.now)
	if gotOK != wantOK || !bytes.Equal(got, want) {
		p.t.Fatalf("View of %x at %v: got %d bytes, %v, want %d bytes, %v", id, p.now, len(got), gotOK, len(want), wantOK)
	}
}

// id is one of about as many ids as would fill the store one and a half times; seldom
// one that cannot exist.
func (p *pair) id() []byte {
	n := p.choose(p.config.MaxSessions + p.config.MaxSessions/2 + 2)
	switch p.choose(64) {
	case 0:
		return nil
	case 1:
		return make([]byte, codec.MaxIDLen+1)
	}
	id := fmt.Append(nil, n)
	return append(id, make([]byte, n%(codec.MaxIDLen-len(id)+1))...)
}

func (p *pair) dataLen() int {
	switch p.choose(16) {
	case 0:
		return p.choose(4)
	case 1:
		return codec.MaxDataLen - 1 + p.choose(3)
	case 2, 3:
		return p.choose(codec.MaxDataLen)
	case 4, 5, 6, 7:
		return 1 + p.choose(3000)
	}
	return 100 + p.choose(200)
}

func (p *pair) ttl() time.Duration {
	switch p.choose(16) {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return deadline.Never - time.Duration(p.choose(3))
	case 3, 4, 5:
		return time.Duration(p.choose(2000)) * time.Millisecond
	}
	return 300 * time.Millisecond
}

// pass lets time go by: a little, a lot, or to the soonest expiry and one around it.
func (p *pair) pass() {
	switch p.choose(8) {
	case 0:
		p.now += time.Duration(p.choose(1000)) * time.Millisecond
	case 1, 2:
		if next := p.naive.deadline() - 2 + time.Duration(p.choose(3)); next > p.now && next < deadline.Never/2 {
			p.now = next
		}
	default:
		p.now += time.Duration(p.choose(3)) * time.Millisecond
	}
}

func (p *pair) compareStats() {
	p.t.Helper()
	got, want := p.memory.Stats(), p.naive.stats
	want.Sessions, want.Capacity, want.Memory = len(p.naive.order), p.config.MaxSessions, got.Memory
	compare(p.t, "Stats", got, want)
}

func compare[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestMemoryDoesWhatTheNaiveStoreDoes(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		steps  int
	}{
		{"one session", Config{MaxSessions: 1}, 20_000},
		{"two sessions", Config{MaxSessions: 2}, 20_000},
		{"a bucket and one", Config{MaxSessions: 9}, 40_000},
		{"64, the least of dc_server", Config{MaxSessions: 64}, 60_000},
		{"1,000", Config{MaxSessions: 1000}, 80_000},
		{"5,000", Config{MaxSessions: 5000}, 80_000},
		{"1,000 in 1 MiB", Config{MaxSessions: 1000, MaxBytes: MinBytes}, 60_000},
		{"5,000 in 5 MiB", Config{MaxSessions: 5000, MaxBytes: 5 << 20}, 60_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			rng := kit.Random(t)
			p := newPair(t, test.config, rng.IntN)
			steps := kit.Sized(test.steps/6, test.steps)
			every := steps / 20
			for i := range steps {
				p.step()
				if i%every == every-1 {
					checkInvariants(t, p.memory, p.config)
				}
			}
			p.compareStats()
			p.drain()
		})
	}
}

// drain lets everything expire, and checks that nothing is left.
func (p *pair) drain() {
	p.t.Helper()
	p.memory.Expire(deadline.Never, p.memory.Len())
	checkInvariants(p.t, p.memory, p.config)
	compare(p.t, "Len after all expired", p.memory.Len(), 0)
	compare(p.t, "Deadline of an empty store", p.memory.Deadline(), deadline.Never)
	compare(p.t, "Bytes of an empty store", p.memory.Stats().Bytes, 0)
	if got, most := p.memory.slab.pages.resident, int64(warmPages*pageSize); got > most {
		p.t.Fatalf("memory of an empty slab: got %d bytes, want at most %d", got, most)
	}
}

// FuzzMemory takes its bytes as choices: what to do, to which id, how long, when.
func FuzzMemory(f *testing.F) {
	f.Add(uint8(0), []byte{})
	f.Add(uint8(3), []byte("\x00\x01\x05\x00\x90\x07\x00\x01\x0b\x00\x01"))
	rng := rand.New(rand.NewPCG(1, 1))
	for limits := range uint8(32) { // short ones: a fuzzer takes long to shorten what it finds
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		f.Add(limits, script)
	}
	f.Fuzz(func(t *testing.T, limits uint8, script []byte) {
		c := Config{MaxSessions: 1 + int(limits>>1)}
		if limits&1 == 1 {
			c.MaxBytes = MinBytes
		}
		p := newPair(t, c, func(n int) int { return takeChoice(&script, n) })
		for i := 0; len(script) > 0; i++ {
			p.step()
			if i%128 == 0 {
				checkInvariants(t, p.memory, c)
			}
		}
		checkInvariants(t, p.memory, c)
		p.compareStats()
		p.drain()
	})
}

// takeChoice cuts a number below n from the front of the script: one byte, or two where
// one cannot say it. An empty script chooses 0.
func takeChoice(script *[]byte, n int) int {
	value := 0
	for range 1 + min(1, n>>8) {
		if len(*script) == 0 {
			break
		}
		value = value<<8 | int((*script)[0])
		*script = (*script)[1:]
	}
	return value % n
}
