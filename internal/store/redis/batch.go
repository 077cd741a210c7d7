package redis

import (
	"time"

	"distcache/internal/store/seal"
)

const (
	// batchCommands is the most commands in a batch, see also maxUnderWay. More of one turn make several batches.
	batchCommands = 128
	// batchBytes is the size of keys and values from which on a batch takes no further command.
	batchBytes = 128 << 10
)

// span is a part of batch.bytes.
type span struct{ from, to int32 }

// command is what a request has become.
type command struct {
	request int32
	serial  uint32
	verb    verb
	asking  bool // ASKING comes before it
	key     span
	value   span // of a set
	ttl     span // of a set
}

// batch is commands for one server that are sent together. The loop fills it; from run to finished it belongs to a Link.
type batch struct {
	used     uint32 // how often it was in use before
	node     *node
	running  bool
	after    []mark // must have ended before this one is sent
	commands []command
	bytes    []byte
	replies  []reply // to the commands, in their order
	finished func()  // the Link posts it to the loop
}

// mark names a batch that may have ended, and be in use for something else.
type mark struct {
	batch *batch
	used  uint32
}

func (m mark) ended() bool { return m.batch.used != m.used }

// put appends bytes.
func (b *batch) put(bytes []byte) span {
	from := int32(len(b.bytes))
	b.bytes = append(b.bytes, bytes...)
	return span{from, int32(len(b.bytes))}
}

// cut gives the bytes of a span.
func (b *batch) cut(s span) []byte { return b.bytes[s.from:s.to] }

// full reports whether no further command is to be added to a batch of so many at most.
func (b *batch) full(most int) bool { return len(b.commands) >= most || len(b.bytes) >= batchBytes }

// ready reports whether all batches that must have ended before it have.
func (b *batch) ready() bool {
	for len(b.after) > 0 {
		if !b.after[0].ended() {
			return false
		}
		b.after = b.after[1:]
	}
	return true
}

// wait makes b wait for another batch.
func (b *batch) wait(other *batch) {
	m := mark{other, other.used}
	for _, known := range b.after {
		if known == m {
			return
		}
	}
	b.after = append(b.after, m)
}

// wipe empties it: keys, values and answers are secrets.
func (b *batch) wipe() {
	clear(b.bytes)
	clear(b.replies)
	b.bytes, b.commands, b.replies, b.after = b.bytes[:0], b.commands[:0], b.replies[:0], b.after[:0]
	if cap(b.bytes) > 2*batchBytes {
		b.bytes = nil
	}
	b.node, b.running = nil, false
	b.used++
}

// putValue appends a session, sealed if there are keys.
func (b *batch) putValue(keys *seal.Keys, id, session []byte) span {
	if keys == nil {
		return b.put(session)
	}
	from := int32(len(b.bytes))
	b.bytes = keys.Append(b.bytes, id, session)
	return span{from, int32(len(b.bytes))}
}

// putTTL appends the argument of PX.
func (b *batch) putTTL(ttl time.Duration) span {
	from := int32(len(b.bytes))
	b.bytes = appendTTL(b.bytes, ttl)
	return span{from, int32(len(b.bytes))}
}
