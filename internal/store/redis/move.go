package redis

import "time"

// move sends a command to where a MOVED or ASK says that its key is. It reports false when the request has been sent around
// too often, or when that server cannot be asked.
func (s *Store) move(c *command, r *reply, now time.Duration) bool {
	e := &s.requests.all[c.request]
	to, ok := redirectOf(r.text, e.batch.node.address)
	if !ok || e.moves == maxMoves {
		return false
	}
	n := s.route.at(to.address, s)
	if n == nil || n.down {
		return false
	}
	e.moves++
	s.counters.Moves++
	if !to.asking {
		s.lookSoon(now)
	}
	s.transfer(c, n, to.asking)
	return true
}

// follow sends the later requests for the ID of a request that has moved after it: they wait where it was before.
func (s *Store) follow(i int32) {
	first := &s.requests.all[i]
	var after []int32 // the newest first
	for j := s.requests.buckets[first.bucket]; j != i; j = s.requests.all[j].below {
		e := &s.requests.all[j]
		if !e.batch.running && e.batch.node != first.batch.node && e.id == first.id && e.idLen == first.idLen {
			after = append(after, j)
		}
	}
	for k := len(after) - 1; k >= 0; k-- {
		b := s.requests.all[after[k]].batch
		for n := range b.commands {
			if c := b.commands[n]; c.request == after[k] && s.requests.of(&c) != nil {
				s.transfer(&c, first.batch.node, false)
				break
			}
		}
	}
}

// transfer puts the command of a request into the next batch for another server. The old one is nobody's then.
func (s *Store) transfer(c *command, n *node, asking bool) {
	e := &s.requests.all[c.request]
	from, to := e.batch, n.gather()
	for _, running := range n.running { // one of them may have an earlier request for the ID
		to.wait(running)
	}
	for _, queued := range n.queue { // or one of these
		to.wait(queued)
	}
	was := len(to.bytes)
	e.serial++
	e.batch = to
	to.commands = append(to.commands, command{request: c.request, serial: e.serial, verb: c.verb, asking: asking,
		key: to.put(from.cut(c.key)), value: to.put(from.cut(c.value)), ttl: to.put(from.cut(c.ttl))})
	s.bytes += len(to.bytes) - was
}
