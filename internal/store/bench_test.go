package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The session of the benchmarks: an id of 32 bytes, data of 180.
const (
	benchIDLen   = 32
	benchDataLen = 180
)

// numberedID writes the n-th id into b: another for each n, in no order.
func numberedID(b []byte, n uint64) []byte {
	binary.LittleEndian.PutUint64(b, n*0x9e3779b97f4a7c15)
	return b
}

func BenchmarkMemory(b *testing.B) {
	for _, sessions := range []int{1000, 10_000, 100_000, 1_000_000} {
		for _, op := range []struct {
			name string
			run  func(b *testing.B, m *Memory, sessions int)
		}{
			{"chase", benchChase},
			{"get-hit", benchGetHit},
			{"get-hit-warmed", benchGetHitWarmed},
			{"get-miss", benchGetMiss},
			{"add", benchAdd},
			{"remove", benchRemove},
			{"add-evict", benchAddEvict},
		} {
			b.Run(fmt.Sprintf("op=%s/sessions=%d", op.name, sessions), func(b *testing.B) {
				m := newMemory(b, Config{MaxSessions: sessions})
				fill(b, m, sessions, benchDataLen, func(int) time.Duration { return time.Hour })
				s := m.Stats()
				b.ReportAllocs()
				op.run(b, m, sessions)
				b.ReportMetric(float64(s.Memory-s.Bytes)/float64(s.Sessions), "overhead-B/session")
			})
		}
	}
}

// BenchmarkKept compares memory that is kept with memory that ends with the process.
func BenchmarkKept(b *testing.B) {
	const sessions = 1_000_000
	for _, kept := range []bool{false, true} {
		for _, op := range []struct {
			name string
			run  func(b *testing.B, m *Memory, sessions int)
		}{{"get-hit", benchGetHit}, {"get-hit-warmed", benchGetHitWarmed}, {"add-evict", benchAddEvict}} {
			b.Run(fmt.Sprintf("op=%s/kept=%v", op.name, kept), func(b *testing.B) {
				m := newMemory(b, Config{MaxSessions: sessions, Kept: kept})
				fill(b, m, sessions, benchDataLen, func(int) time.Duration { return time.Hour })
				for n := range uint64(sessions) { // all of it is mapped
					m.View(numberedID(make([]byte, benchIDLen), n), 0)
				}
				b.ReportAllocs()
				began := processorTime(b)
				op.run(b, m, sessions)
				b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

func benchGetHit(b *testing.B, m *Memory, sessions int) {
	id, out := make([]byte, benchIDLen), make([]byte, benchDataLen)
	rng := rand.NewPCG(1, 2)
	for b.Loop() {
		data, ok := m.View(numberedID(id, rng.Uint64()%uint64(sessions)), 0)
		if !ok {
			b.Fatal("a session is missing")
		}
		copy(out, data)
	}
}

// benchGetHitWarmed asks in batches, as a server does whose client sends many requests
// before it reads.
func benchGetHitWarmed(b *testing.B, m *Memory, sessions int) {
	const batch = 32
	ids, out := make([][]byte, batch), make([]byte, benchDataLen)
	for i := range ids {
		ids[i] = make([]byte, benchIDLen)
	}
	rng := rand.NewPCG(1, 2)
	for i := 0; b.Loop(); i++ {
		if i%batch == 0 {
			for _, id := range ids {
				numberedID(id, rng.Uint64()%uint64(sessions))
			}
			m.Announce(ids)
		}
		data, ok := m.View(ids[i%batch], 0)
		if !ok {
			b.Fatal("a session is missing")
		}
		copy(out, data)
	}
}

func benchGetMiss(b *testing.B, m *Memory, _ int) {
	id := make([]byte, benchIDLen)
	rng := rand.NewPCG(1, 2)
	for b.Loop() {
		if _, ok := m.View(numberedID(id, rng.Uint64()|1<<63), 0); ok {
			b.Fatal("a session that was never added")
		}
	}
}

// benchAdd fills the store again and again; emptying it is not timed.
func benchAdd(b *testing.B, m *Memory, sessions int) {
	id, data := make([]byte, benchIDLen), make([]byte, benchDataLen)
	n, now := uint64(sessions), time.Duration(0)
	for b.Loop() {
		if m.Len() == sessions {
			b.StopTimer()
			now += 2 * time.Hour
			m.Expire(now, sessions)
			b.StartTimer()
		}
		if m.Add(numberedID(id, n), data, time.Hour, now).Outcome != Stored {
			b.Fatal("a session was not taken")
		}
		n++
	}
}

// benchRemove empties the store again and again, in no order; filling it is not timed.
func benchRemove(b *testing.B, m *Memory, sessions int) {
	id := make([]byte, benchIDLen)
	order := rand.New(rand.NewPCG(1, 2)).Perm(sessions)
	for i := 0; b.Loop(); i++ {
		if i == sessions {
			b.StopTimer()
			fill(b, m, sessions, benchDataLen, func(int) time.Duration { return time.Hour })
			i = 0
			b.StartTimer()
		}
		if !m.Remove(numberedID(id, uint64(order[i])), 0) {
			b.Fatal("a session is missing")
		}
	}
}

func benchAddEvict(b *testing.B, m *Memory, sessions int) {
	id, data := make([]byte, benchIDLen), make([]byte, benchDataLen)
	n := uint64(sessions)
	for b.Loop() {
		if m.Add(numberedID(id, n), data, time.Hour, time.Duration(n)).Evicted != 1 {
			b.Fatal("a full store evicted nobody")
		}
		n++
	}
}

// benchChase is what the memory itself costs a GET: the line of a bucket and, when that is there, the
// lines of a record, for one session after the other. There is no hash, no comparison and no copy.
func benchChase(b *testing.B, m *Memory, _ int) {
	rng := rand.NewPCG(1, 2)
	sum := uint64(0)
	for b.Loop() {
		// The sum is used, so a read ends before the next one begins.
		bucket := &m.table.buckets[m.table.home(rng.Uint64()+sum&1)]
		for _, r := range bucket.refs {
			if r != 0 {
				sum += uint64(m.slab.warm(r))
				break
			}
		}
	}
	m.warmed += uint8(sum)
}
