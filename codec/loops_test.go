package codec

import (
	"fmt"
	"testing"
	"time"
)

// loop is one hot path: run does it once. The zero-allocation test and the
// benchmarks run the same loops, so that what is timed is what is claimed.
type loop struct {
	name  string // key=value, as benchstat reads them
	bytes int    // copied by one run, 0 for none
	run   func()
}

// must ends a loop that no longer does what it is named after.
func must(tb testing.TB, ok bool) {
	if !ok {
		tb.Helper()
		tb.Fatal("the loop does something else than its name says")
	}
}

func parseHeaderLoops(tb testing.TB) []loop {
	good := frame(Request, 7, OpGet, 1, pattern(32))
	wrong := frame(Response, 7, OpGet, 1, pattern(32))
	return []loop{
		{"input=whole", 0, func() {
			_, err := ParseHeader(good, Request)
			must(tb, err == nil)
		}},
		{"input=partial", 0, func() {
			_, err := ParseHeader(good[:HeaderSize-1], Request)
			must(tb, err == ErrShort)
		}},
		{"input=corrupt", 0, func() {
			_, err := ParseHeader(wrong, Request)
			must(tb, err == errNotRequest)
		}},
	}
}

// benchPayloads are a GET's id, a TLS session, a full frame, two frames, and the most.
func benchPayloads() []int { return []int{32, 212, 2048, 2200, 32768} }

func assembleLoops(tb testing.TB) []loop {
	var loops []loop
	for _, n := range benchPayloads() {
		wire := message(Request, 7, OpAdd, pattern(n))
		a := NewAssembler(Request)
		loops = append(loops, loop{fmt.Sprintf("payload=%d/arrives=whole", n), 0, func() {
			m, err := a.Next(wire)
			must(tb, err == nil && len(m.Wire) == len(wire))
		}})
		resumed := NewAssembler(Request)
		loops = append(loops, loop{fmt.Sprintf("payload=%d/arrives=halves", n), 0, func() {
			_, err := resumed.Next(wire[:len(wire)/2])
			must(tb, err == ErrShort)
			_, err = resumed.Next(wire)
			must(tb, err == nil)
		}})
	}
	wrong := frame(Request, 7, 9, 1, pattern(32))
	return append(loops, loop{"payload=32/arrives=corrupt", 0, func() {
		var a Assembler
		_, err := a.Next(wrong)
		must(tb, err == errOperation)
	}})
}

func setUIDLoops(testing.TB) []loop {
	var loops []loop
	for _, n := range benchPayloads() {
		wire := message(Request, 7, OpAdd, pattern(n))
		uid := uint32(0)
		loops = append(loops, loop{fmt.Sprintf("payload=%d", n), 0, func() {
			uid++
			SetUID(wire, uid)
		}})
	}
	return loops
}

// appendLoops write into buffers that are large enough.
func appendLoops(tb testing.TB) []loop {
	var loops []loop
	for _, n := range benchPayloads() {
		payload := pattern(n)
		dst := make([]byte, 0, MessageSize(n))
		loops = append(loops, loop{fmt.Sprintf("what=message/payload=%d", n), n, func() {
			must(tb, len(AppendMessage(dst, Response, 7, OpGet, payload)) == cap(dst))
		}})
	}
	status := make([]byte, 0, HeaderSize+1)
	loops = append(loops, loop{"what=status/payload=1", 1, func() {
		must(tb, len(AppendStatus(status, 7, OpGet, StatusNotOK)) == cap(status))
	}})
	add := Add{time.Minute, pattern(32), pattern(180)}
	dst := make([]byte, 0, AddOverhead+32+180)
	return append(loops, loop{"what=add/payload=220", cap(dst), func() {
		must(tb, len(AppendAdd(dst, add)) == cap(dst))
	}})
}

func payloadLoops(tb testing.TB) []loop {
	var loops []loop
	scratch := make([]byte, 0, MaxPayload)
	for _, n := range benchPayloads() {
		wire := message(Response, 7, OpGet, pattern(n))
		a := NewAssembler(Response)
		m, err := a.Next(wire)
		must(tb, err == nil)
		loops = append(loops, loop{fmt.Sprintf("payload=%d", n), 0, func() {
			must(tb, len(m.Payload(scratch)) == n)
		}})
	}
	return loops
}

func addLoops(tb testing.TB) []loop {
	good := addPayload(60_000, 32, pattern(32+180))
	wrong := addPayload(60_000, 65, pattern(32+180))
	wire := message(Request, 7, OpAdd, good)
	return []loop{
		{"do=parse", 0, func() {
			_, status := ParseAdd(good)
			must(tb, status == StatusOK)
		}},
		{"do=refuse", 0, func() {
			_, status := ParseAdd(wrong)
			must(tb, status == StatusAddIDLen)
		}},
		{"do=raise-timeout", 0, func() { RaiseTimeout(wire, time.Minute) }},
	}
}
