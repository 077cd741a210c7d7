package main

import (
	"bytes"
	"time"

	"distcache/codec"
)

// flow makes the TCP packets that a connection would have been, had it been one.
type flow struct {
	number uint64
	next   [2]uint32 // the next sequence number, by direction
}

// open is the three-way handshake.
func (f *flow) open(at time.Time) []packet {
	return []packet{
		f.control(at, codec.Request, flagSYN),
		f.control(at, codec.Response, flagSYN|flagACK),
		f.segment(at, codec.Request, flagACK, nil),
	}
}

// refuse is an attempt to connect that fails.
func (f *flow) refuse(at time.Time) []packet {
	return []packet{f.control(at, codec.Request, flagSYN), f.segment(at, codec.Response, flagRST|flagACK, nil)}
}

// data is a segment of at most 65,495 bytes, which are copied.
func (f *flow) data(at time.Time, dir codec.Direction, chunk []byte) packet {
	p := f.segment(at, dir, flagPSH|flagACK, bytes.Clone(chunk))
	f.next[dir] += uint32(len(chunk))
	return p
}

// finish is the end of one direction.
func (f *flow) finish(at time.Time, dir codec.Direction, broken bool) packet {
	if broken {
		return f.segment(at, dir, flagRST|flagACK, nil)
	}
	return f.control(at, dir, flagFIN|flagACK)
}

// control is a segment that takes up a sequence number.
func (f *flow) control(at time.Time, dir codec.Direction, flags byte) packet {
	p := f.segment(at, dir, flags, nil)
	f.next[dir]++
	return p
}

func (f *flow) segment(at time.Time, dir codec.Direction, flags byte, payload []byte) packet {
	p := packet{at: at, conn: f.number, dir: dir, flags: flags, seq: f.next[dir], payload: payload}
	if flags&flagACK != 0 {
		p.ack = f.next[codec.Response-dir]
	}
	return p
}
