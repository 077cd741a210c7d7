package redis

import (
	"time"

	"distcache/codec"
)

// finish takes the replies to a batch. The Link posts it.
func (s *Store) finish(b *batch) {
	if s.closed {
		return
	}
	now, n := s.loop.Now(), b.node
	n.ended(b)
	t := tally{}
	for i := range b.commands {
		s.take(b, i, &t, now)
	}
	for _, i := range t.moved {
		s.follow(i)
	}
	s.tell(n, &t, now)
	s.release(b)
	for _, n := range s.route.nodes { // what waited for this one may be for another server
		n.dispatch()
	}
	if n.retired {
		s.route.forget(n)
	}
}

// tally is what the replies to a batch say of their server.
type tally struct {
	good   bool
	wrote  bool
	failed [numKinds]uint64
	reason [numKinds]string
	broken Kind    // OK: the connection has lasted
	moved  []int32 // requests that go to another server
}

// take deals with the reply to one command.
func (s *Store) take(b *batch, i int, t *tally, now time.Duration) {
	c, r := &b.commands[i], &b.replies[i]
	e := s.requests.of(c)
	if r.shape == isError && r.kind == Moved && e != nil && s.move(c, r, now) {
		t.good, t.moved = true, append(t.moved, c.request)
		return
	}
	op := codec.OpHave
	if e != nil {
		op = e.op
	}
	o := outcomeOf(op, c.verb, r)
	switch {
	case r.broken:
		t.broken = o.kind
	case o.kind == OK:
		t.good = true
		t.wrote = t.wrote || c.verb == set
	}
	if o.kind != OK {
		t.failed[o.kind]++
		t.reason[o.kind] = r.text
	}
	if e == nil {
		s.counters.LateReplies++
	} else {
		s.answer(c.request, &o, now)
	}
	if r.shape == isBulk {
		clear(r.data)
	}
}

// tell draws the conclusions from a tally.
func (s *Store) tell(n *node, t *tally, now time.Duration) {
	for k := OK + 1; k < numKinds; k++ {
		switch {
		case t.failed[k] == 0:
		case k == Protocol:
			n.link.HangUp() // whose answers these are cannot be known any more
			n.lose(k, "the server answers what no Redis would: is it one?", t.failed[k], now)
		case k == t.broken:
			n.lose(k, t.reason[k], t.failed[k], now)
		default:
			n.fail(k, t.reason[k], t.failed[k], now)
		}
	}
	if t.good && t.broken == OK && !n.down {
		n.answers(t.wrote, now)
	}
}

// answer ends the request i.
func (s *Store) answer(i int32, o *outcome, now time.Duration) {
	e := &s.requests.all[i]
	s.counters.Times.Observe(now - e.at)
	if o.kind != OK {
		s.counters.Errors[o.kind]++
	}
	ticket, op, status, data := e.ticket, e.op, o.status, o.data
	switch {
	case op == codec.OpAdd && status == codec.StatusOK:
		s.stats.Stored++
	case op == codec.OpAdd && status == codec.StatusAddExists:
		s.stats.Exists++
	case op == codec.OpRemove && status == codec.StatusOK:
		s.stats.Removed++
	case op == codec.OpGet && status == codec.StatusOK:
		status, data = s.open(e, data, now)
	}
	s.requests.remove(i)
	s.answers.Answer(ticket, op, status, data, now)
	if s.config.Seal != nil {
		clear(s.opened)
	}
}

// open gives the session in a value. What does not open is no session.
func (s *Store) open(e *request, value []byte, now time.Duration) (codec.Status, []byte) {
	if s.config.Seal != nil {
		var err error
		s.opened, err = s.config.Seal.AppendOpened(s.opened[:0], e.id[:e.idLen], value)
		if err != nil {
			s.counters.NotOpened++
			s.observer.NotOpened(err, now)
			return codec.StatusNotOK, nil
		}
		value = s.opened
	}
	if len(value) == 0 || len(value) > codec.MaxDataLen { // somebody else has written it
		return codec.StatusNotOK, nil
	}
	return codec.StatusOK, value
}

// expirePortion is how many requests are timed out in one go. The others follow in the next turn.
const expirePortion = 1024

// timeOut answers the requests whose time is over. A server that has one of them under way is not asked any more.
func (s *Store) timeOut(now time.Duration) {
	for range expirePortion {
		i := s.requests.oldest
		if i == none || now < s.requests.all[i].at+s.config.Timeout {
			return
		}
		b := s.requests.all[i].batch
		n := b.node
		late := outcome{status: codec.StatusDisconnected, kind: Late}
		s.answer(i, &late, now)
		if b.running || now-n.heard > s.config.Timeout {
			n.lose(Late, "no answer within "+s.config.Timeout.String(), 1, now)
		}
	}
}

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

// transfer puts the command of a request into the next batch for another server. The old command has no request any more.
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
