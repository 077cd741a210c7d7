package redis

import (
	"time"

	"distcache/codec"
	"distcache/internal/store"
)

// Do implements store.Store. The answer comes when the server has given it, and within Config.Timeout in any case.
func (s *Store) Do(r *store.Request, now time.Duration) {
	if !codec.ValidID(r.ID) { // it cannot be there
		s.answers.Answer(r.Ticket, r.Op, codec.StatusNotOK, nil, now)
		return
	}
	bucket := s.requests.bucket(r.ID)
	before := s.requests.before(bucket, r.ID)
	var n *node
	key := s.keyOf(r.ID)
	if before != nil {
		n = before.batch.node // also where the ID has moved elsewhere since: it follows the earlier one
	} else {
		n = s.route.nodeOf(key)
	}
	switch {
	case n == nil && s.route.slots != nil:
		s.route.uncovered.failed++
		s.lookSoon(now)
		s.refuse(r, ClusterDown, now)
	case n == nil:
		s.refuse(r, s.route.health.trouble, now)
	case n.down:
		s.refuse(r, n.reach.trouble, now)
	case s.requests.open >= maxOpen || s.bytes >= maxBytes:
		s.refuse(r, Full, now)
	default:
		s.gather(n, r, key, bucket, before, now)
	}
}

// refuse answers a request that is not sent.
func (s *Store) refuse(r *store.Request, k Kind, now time.Duration) {
	if k == OK {
		k = Connection // nobody has been asked yet
	}
	s.counters.Errors[k]++
	s.answers.Answer(r.Ticket, r.Op, codec.StatusDisconnected, nil, now)
}

// keyOf gives the key of an ID. It lives until the next call.
func (s *Store) keyOf(id []byte) []byte {
	s.key = append(s.key[:0], s.config.Prefix...)
	if s.config.Seal != nil {
		s.key = s.config.Seal.AppendName(s.key, id)
	} else {
		s.key = append(s.key, id...)
	}
	return s.key
}

// gather puts a request into the next batch for n.
func (s *Store) gather(n *node, r *store.Request, key []byte, bucket uint32, before *request, now time.Duration) {
	b := n.gather()
	if before != nil && before.batch != b {
		b.wait(before.batch) // batches travel side by side: the earlier one must have ended
	}
	i := s.requests.add(r, bucket, now)
	e := &s.requests.all[i]
	e.batch = b
	was := len(b.bytes)
	c := command{request: i, serial: e.serial, verb: e.verb, key: b.put(key)}
	if c.verb == set {
		c.value = b.putValue(s.config.Seal, r.ID, r.Data)
		c.ttl = b.putTTL(r.TTL)
	}
	b.commands = append(b.commands, c)
	s.bytes += len(b.bytes) - was
	s.loop.EndTurn()
}

// newBatch gives an empty batch for n.
func (s *Store) newBatch(n *node) *batch {
	var b *batch
	if last := len(s.spare) - 1; last >= 0 {
		b, s.spare = s.spare[last], s.spare[:last]
	} else {
		b = new(batch)
		b.finished = func() { s.finish(b) }
	}
	b.node = n
	return b
}

// maxSpare is how many empty batches are kept.
const maxSpare = 16

// release takes back a batch that has ended.
func (s *Store) release(b *batch) {
	s.bytes -= len(b.bytes)
	b.wipe()
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, b)
	}
}

// giveUp answers the requests of a batch that was not sent, and tells how many there were.
func (s *Store) giveUp(b *batch, k Kind, now time.Duration) (count uint64) {
	for i := range b.commands {
		if c := &b.commands[i]; s.requests.of(c) != nil {
			o := outcome{status: codec.StatusDisconnected, kind: k}
			s.answer(c.request, &o, now)
			count++
		}
	}
	return count
}

// drop takes the commands out of a batch whose requests have been answered meanwhile.
func (s *Store) drop(b *batch) {
	kept := b.commands[:0]
	for i := range b.commands {
		if s.requests.of(&b.commands[i]) != nil {
			kept = append(kept, b.commands[i])
		}
	}
	b.commands = kept
}
