package memcached

import (
	"distcache/codec"
	"distcache/codec/memcached"
	"distcache/internal/front"
)

// shortest is the shortest session that an answer brings, in bytes: a shorter payload is a status.
const shortest = 5

// Outcome tells what an answer means for the request a.
func (w *Wire) Outcome(a front.Asker, wire []byte) front.Outcome {
	s := &w.conns[a.Client]
	if s.ring == nil {
		return front.Stale
	}
	o := s.ring.at(a.Seq)
	op, status := codec.Outcome(wire)
	switch {
	case o.kind == answered:
		return front.Stale
	case o.kind == replacing && op == codec.OpRemove:
		return front.Early
	case o.kind == replace && status == codec.StatusAddExists && o.kept != nil:
		return front.Again
	}
	return front.Final
}

// Replace gives what replaces the session of the set a.
func (w *Wire) Replace(a front.Asker) (remove, add codec.Message) {
	o := w.conns[a.Client].ring.at(a.Seq)
	o.kind = replacing
	w.Counters.Replaced++
	id := o.id()
	w.removal = codec.AppendMessage(w.removal[:0], codec.Request, 0, codec.OpRemove, id)
	remove = codec.Message{Wire: w.removal, Op: codec.OpRemove, PayloadLen: len(id)}
	frames := (len(o.kept) + codec.FrameSize - 1) / codec.FrameSize
	return remove, codec.Message{Wire: o.kept, Op: codec.OpAdd, PayloadLen: len(o.kept) - frames*codec.HeaderSize}
}

// Answer appends what the client is told, and forgets a.
func (w *Wire) Answer(a front.Asker, dst, wire []byte) []byte {
	s := &w.conns[a.Client]
	o, before := s.ring.at(a.Seq), len(dst)
	_, status := codec.Outcome(wire)
	// A status that is not one of the operation is a fault of the cache, as DISCONNECTED is.
	failed := status != codec.StatusOK && status != codec.StatusNotOK
	switch o.kind {
	case get:
		dst = w.appendGet(o, dst, wire)
	case remove:
		if status == codec.StatusOK {
			dst = o.head.AppendDeleted(dst)
		} else {
			dst = o.head.AppendNotFound(dst)
		}
	case tooLarge:
		dst = o.head.AppendRefusal(dst, memcached.TooLarge)
	case addExpired:
		if status == codec.StatusOK {
			dst = o.head.AppendExists(dst)
		} else {
			dst = o.head.AppendStored(dst)
		}
	case add:
		if failed = failed && status != codec.StatusAddExists; status == codec.StatusAddExists {
			dst = o.head.AppendExists(dst)
			break
		}
		fallthrough
	default:
		// After a removal of ours, the session of another that came first is as good as ours.
		failed = failed && !(o.kind == replacing && status == codec.StatusAddExists)
		dst = o.head.AppendStored(dst)
	}
	if failed && o.kind != get {
		w.Counters.Concealed[o.head.Verb]++
	}
	w.Counters.Written += uint64(len(dst) - before)
	w.forget(s, o)
	return dst
}

// appendGet appends the answer to a get: the session in wire, or a miss.
func (w *Wire) appendGet(o *open, dst, wire []byte) []byte {
	size := payloadLen(wire)
	if size < shortest {
		if _, status := codec.Outcome(wire); size != 1 || status != codec.StatusNotOK {
			w.Counters.Concealed[o.head.Verb]++
		}
		w.Counters.Misses++
		return o.head.AppendMiss(dst, o.key)
	}
	skip := memcached.Skip(wire[codec.HeaderSize:])
	if !o.head.Fits(size - skip) {
		w.Counters.TooLong++
		w.Counters.Misses++
		return o.head.AppendMiss(dst, o.key)
	}
	w.Counters.Hits++
	dst = o.head.AppendHit(dst, o.key, size-skip)
	for rest := wire; len(rest) > 0; skip = 0 {
		n := min(codec.FrameSize, len(rest))
		dst = append(dst, rest[codec.HeaderSize+skip:n]...)
		rest = rest[n:]
	}
	return o.head.AppendTail(dst)
}

// payloadLen is the length of the payload of a whole message in its wire form.
func payloadLen(wire []byte) int {
	return len(wire) - (len(wire)+codec.FrameSize-1)/codec.FrameSize*codec.HeaderSize
}
