package main

import (
	"time"

	"distcache/codec"
)

// event is one thing to print. It owns its slices.
type event struct {
	at   time.Time
	conn uint64
	dir  codec.Direction // Request: to the server; Response: to the client

	// note is what there is to say where it is not a message: then the fields of a message are zero.
	note string

	uid    uint32
	op     codec.Op
	frames int
	length int // of the payload, in bytes

	id      []byte // of an answer: that of its request
	data    int    // bytes of session in an ADD or the answer to a GET
	timeout time.Duration
	refusal codec.Status // what an ADD's payload has to be refused with, or StatusOK

	status  string // of an answer
	took    time.Duration
	unasked bool     // no request of that uid is open
	asked   codec.Op // the operation of that request

	payload []byte // with -data; beside a note: bytes that were not decoded
}

// isNote reports whether it is not a message.
func (e *event) isNote() bool { return e.note != "" }

// size is roughly what it takes in memory, in bytes.
func (e *event) size() int { return 256 + len(e.id) + len(e.payload) + len(e.note) }
