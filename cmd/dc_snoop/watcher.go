package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"distcache/codec"
)

// watcher decodes the bytes of one connection, in both directions. It never waits for the
// recorder.
type watcher struct {
	number uint64
	data   bool
	filter *filter
	record *recorder
	stats  *stats

	mu      sync.Mutex
	streams [2]stream // by direction
	opaque  [2]uint64 // bytes that were not decoded, by direction
	open    pending
	flow    flow
}

func newWatcher(number uint64, c *config, record *recorder, stats *stats, open *allowance) *watcher {
	return &watcher{
		number: number, data: c.data, filter: &c.filter, record: record, stats: stats,
		streams: [2]stream{newStream(codec.Request), newStream(codec.Response)},
		open:    pending{allowance: open},
		flow:    flow{number: number},
	}
}

// connected notes that the server has accepted the connection.
func (w *watcher) connected(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.capture(w.flow.open(at)...)
}

// refused notes that there is no connection to the server.
func (w *watcher) refused(at time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.refused()
	w.capture(w.flow.refuse(at)...)
	w.note(at, codec.Response, fmt.Sprintf("closed: cannot connect to the server: %v", err), nil)
	w.record.complain(fmt.Sprintf("connection %d closed: cannot connect to the server: %v", w.number, err))
}

// saw decodes bytes that are about to be passed on, and does not keep them.
func (w *watcher) saw(at time.Time, dir codec.Direction, chunk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(chunk) == 0 {
		return
	}
	w.stats.bytes(dir, len(chunk))
	if w.record.captures() {
		w.capture(w.flow.data(at, dir, chunk))
	}
	if w.streams[dir].opaque {
		w.undecoded(at, dir, chunk)
		return
	}
	rest, err := w.streams[dir].feed(chunk, func(m codec.Message) { w.message(at, dir, m) })
	if err != nil {
		w.stats.undecodable()
		w.note(at, dir, fmt.Sprintf("not distcache: %v; passing bytes on undecoded from here on", err), nil)
		w.undecoded(at, dir, rest)
	}
}

func (w *watcher) undecoded(at time.Time, dir codec.Direction, b []byte) {
	w.opaque[dir] += uint64(len(b))
	if w.data {
		w.note(at, dir, fmt.Sprintf("undecoded, %s", count(len(b), "byte")), b)
	}
}

// finished notes the end of a direction, and its reason: io.EOF, or an error of the sender.
func (w *watcher) finished(at time.Time, dir codec.Direction, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.capture(w.flow.finish(at, dir, err != io.EOF))
	if err != io.EOF {
		w.note(at, dir, fmt.Sprintf("connection lost: %v", cause(err)), nil)
	}
	if n := len(w.streams[dir].rest); n > 0 {
		w.note(at, dir, fmt.Sprintf("ended within a message, after %s", count(n, "byte")), nil)
	}
	if n := w.opaque[dir]; n > 0 {
		w.note(at, dir, fmt.Sprintf("ended: %s passed on undecoded", count(int(n), "byte")), nil)
	}
}

// undelivered notes that the receiver has gone.
func (w *watcher) undelivered(at time.Time, dir codec.Direction, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(at, dir, fmt.Sprintf("delivery failed: %v", cause(err)), nil)
}

// closed notes that the connection is over.
func (w *watcher) closed(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.closed()
	if n := w.open.drop(); n > 0 {
		w.note(at, codec.Response, fmt.Sprintf("closed with %s unanswered", count(n, "request")), nil)
	}
}

func (w *watcher) message(at time.Time, dir codec.Direction, m codec.Message) {
	payload := m.Payload(nil)
	e := &event{
		at: at, conn: w.number, dir: dir, uid: m.UID, op: m.Op, length: m.PayloadLen,
		frames: (len(m.Wire) + codec.FrameSize - 1) / codec.FrameSize,
	}
	if dir == codec.Request {
		w.request(e, payload)
	} else {
		w.answer(e, payload)
	}
	if !w.filter.lets(m.Op) {
		return
	}
	if w.data {
		e.payload = bytes.Clone(payload)
	}
	w.record.show(e)
}

// request reads a request's payload, and remembers it for its answer.
func (w *watcher) request(e *event, payload []byte) {
	e.id = payload
	if e.op == codec.OpAdd {
		var a codec.Add
		a, e.refusal = codec.ParseAdd(payload)
		e.id, e.data, e.timeout = a.ID, len(a.Data), a.Timeout
	}
	e.id = bytes.Clone(e.id)
	w.stats.request(e.op)
	w.open.add(e.uid, asked{e.at, e.op, e.id})
}

// answer reads an answer's payload, and finds the request.
func (w *watcher) answer(e *event, payload []byte) {
	e.status = statusName(e.op, payload)
	if e.status == statusHit {
		e.data = len(payload)
	}
	if asked, found := w.open.take(e.uid); found {
		e.took, e.asked, e.id = e.at.Sub(asked.at), asked.op, asked.id
	} else {
		e.unasked = true
	}
	w.stats.answer(e)
}

func (w *watcher) note(at time.Time, dir codec.Direction, text string, payload []byte) {
	w.record.show(&event{at: at, conn: w.number, dir: dir, note: visible(text), payload: bytes.Clone(payload)})
}

func (w *watcher) capture(packets ...packet) {
	for _, p := range packets {
		w.record.capture(p)
	}
}

// errEnding ends a connection that outlasts drainTime.
var errEnding = errors.New("dc_snoop is exiting")

// cause strips the socket's addresses from an error of package net.
func cause(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errEnding
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// count is a number and its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// keptBuffer is the most memory, in bytes, that a stream keeps between messages.
const keptBuffer = 4096

// stream finds the messages in one direction of one connection.
type stream struct {
	assembler codec.Assembler
	rest      []byte // the beginning of a message
	opaque    bool   // a byte was corrupt: later messages have no known boundaries
}

func newStream(dir codec.Direction) stream { return stream{assembler: codec.NewAssembler(dir)} }

// feed takes the next bytes and gives each message that they complete to found, which must
// not keep it. When they show corruption it returns the *codec.CorruptError, and all bytes
// from the beginning of that message. Afterwards the stream is opaque, and takes no more.
func (s *stream) feed(chunk []byte, found func(codec.Message)) (undecoded []byte, err error) {
	b := chunk
	if len(s.rest) > 0 {
		s.rest = append(s.rest, chunk...)
		b = s.rest
	}
	for {
		m, err := s.assembler.Next(b)
		if err == codec.ErrShort {
			s.keep(b)
			return nil, nil
		}
		if err != nil {
			s.opaque, s.rest = true, nil
			return b, err
		}
		found(m)
		b = b[len(m.Wire):]
	}
}

// keep holds the beginning of a message until more comes.
func (s *stream) keep(b []byte) {
	if len(b) == 0 && cap(s.rest) > keptBuffer {
		s.rest = nil
		return
	}
	s.rest = append(s.rest[:0], b...)
}
