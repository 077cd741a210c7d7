package agent

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/upstream"
)

// violation ends a history whose world has its broken set.
type violation struct{}

func (w *world) fail(format string, args ...any) {
	w.broken = fmt.Sprintf(format, args...)
	w.note("BROKEN: %s", w.broken)
	panic(violation{})
}

func (w *world) must(holds bool, format string, args ...any) {
	if !holds {
		w.fail(format, args...)
	}
}

// rules are what holds after each event.
func (w *world) rules() {
	if w.waiting && w.now >= w.waitEnds {
		w.waiting = false
	}
	for _, c := range w.clients {
		if c != nil {
			w.clientRules(c)
		}
	}
	w.linkRules()
	w.must(w.agent.Busy() >= 0, "%d clients are busy", w.agent.Busy())
}

func (w *world) clientRules(c *client) {
	w.must(c.excuse == "", "%v is still there, although %s", c, c.excuse)
	switch {
	case c.blocked:
		// It is looked how much it has read ten times in that, and once more.
		w.must(w.now < c.blockedAt+front.ReadTimeout*11/10, "%v has not read since %v", c, c.blockedAt)
	case len(c.owed) > 0 && w.turnWanted: // answers may be gathered for the end of the turn
	case len(c.owed) > 0:
		w.owedRules(c, c.owed[0])
	case c.read > c.whole:
		w.must(c.poison < 0 || c.read < c.poison+codec.HeaderSize, "%v sent garbage and is still there", c)
		paces := time.Duration(1 + (c.read-c.whole)/front.PaceBytes)
		w.must(w.now < max(c.partialAt, c.freeAt)+paces*front.WholeTimeout, "%v is in the middle of a request since %v", c, c.partialAt)
	case w.config.Idle != deadline.Never:
		w.must(w.now < c.freeAt+w.config.Idle, "%v is idle since %v", c, c.freeAt)
	}
}

// owedRules hold for a request that could be taken: it is answered at once where there is no
// connection, and in time where there is one.
func (w *world) owedRules(c *client, a *ask) {
	switch {
	case a.short:
		w.fail("%v is owed the answer to an ADD that is too short", c)
	case w.waiting && w.state != upstream.Up:
	case w.state != upstream.Up:
		w.fail("%v waits while the link is %v", c, w.state)
	default:
		w.must(w.now < a.due, "%v waits for uid %d beyond %v", c, a.uid, a.due)
	}
}

// linkRules hold for the connection: no attempt and no silence lasts too long.
func (w *world) linkRules() {
	s := &w.server
	w.must(w.agent.Server().Link().State() == w.state, "the link is %v and told %v", w.agent.Server().Link().State(), w.state)
	switch {
	case w.state == upstream.Down:
	case w.state != upstream.Up:
		w.must(w.now < s.lastDial+upstream.AttemptTimeout, "the attempt lasts since %v", s.lastDial)
	case len(s.pending) > 0 && w.config.Server.Timeout != deadline.Never && w.config.Server.MaxInFlight > 10:
		since := max(s.heard, s.pending[0].came)
		w.must(w.now < since+w.silence() || w.now >= s.pending[0].came+upstream.AttemptTimeout*20,
			"dc_server is silent since %v and the link still up", since)
	}
}

// silence is how long dc_server may be silent when answers are owed.
func (w *world) silence() time.Duration {
	return max(upstream.SilentTimeouts*w.config.Server.Timeout, upstream.SilentFloor)
}

// mayGoDown holds whether the link had a reason.
func (w *world) mayGoDown(from upstream.State, why error) {
	s := &w.server
	corrupt := new(codec.CorruptError)
	switch {
	case w.stopped:
		w.must(errors.Is(why, upstream.ErrStopped), "stopped, and told %v", why)
	case errors.Is(why, upstream.ErrSilent):
		w.totals.Silent++
		w.must(from == upstream.Up && w.now >= s.heard+w.silence(), "silent since %v is too soon", s.heard)
	case errors.Is(why, upstream.ErrAttemptTimeout), errors.Is(why, upstream.ErrProbeTimeout):
		w.must(w.now >= s.lastDial+upstream.AttemptTimeout, "the attempt of %v is ended too soon", s.lastDial)
	case errors.Is(why, upstream.ErrWrongOperation), errors.As(why, &corrupt):
		w.must(s.tainted, "dc_server did nothing wrong, and told %v", why)
	case errors.Is(why, upstream.ErrProbe):
		w.must(!s.proved, "the probe was answered well, and told %v", why)
	default:
		w.must(s.offending, "the link goes down for no reason, told %v", why)
	}
}

// mayDrop holds whether the client deserved it.
func (w *world) mayDrop(c *client, why front.Reason) {
	free := len(c.owed) == 0 && !c.blocked
	switch why {
	case front.Corrupt:
		w.totals.Corrupt++
		w.must(c.poison >= 0 && c.read > c.poison, "%v is dropped as corrupt", c)
		w.must(len(c.owed) == 0, "%v is dropped before %d requests were answered", c, len(c.owed))
	case front.PartialTimeout:
		w.totals.Partial++
		w.must(free && c.read > c.whole && w.now >= max(c.partialAt, c.freeAt)+front.WholeTimeout, "%v is dropped for its pace", c)
	case front.UnreadTimeout:
		w.totals.Unread++
		w.must(c.blocked && w.now >= c.blockedAt+front.ReadTimeout, "%v is dropped for not reading", c)
	case front.IdleTimeout:
		w.totals.Idle++
		w.must(free && c.read == c.whole && w.now >= c.freeAt+w.config.Idle, "%v is dropped as idle", c)
	case front.Displaced:
		w.totals.Displaced++
		w.must(free && c.whole > 0 && c.read == c.whole && len(c.unread) == 0, "%v is displaced", c)
		for _, o := range w.clients {
			w.must(o == nil || o.fin || o.whole == 0 || len(o.owed) > 0 || o.blocked || o.read > o.whole || o.freeAt >= c.freeAt,
				"%v is displaced and not %v, which was answered longer ago", c, o)
		}
	case front.NoMemory:
		w.totals.NoMemory++
		w.must(!w.plenty, "%v is dropped for memory", c)
	case front.SocketError:
		w.totals.SocketError++
		w.must(c.excuse != "", "%v is dropped for its socket", c)
	}
}

// end lets everything come to rest, in one of several orders, and looks at what is left.
func (w *world) end(last bool) {
	w.calm = true
	finish := w.stop
	if !last {
		finish = w.server.breakOff
	}
	if w.roll(75) {
		w.settle()
		w.allLeave()
		finish()
	} else {
		finish()
		w.settle()
		w.allLeave()
		finish()
	}
	w.mustBeEmpty(last)
	w.mustAgree()
	w.asked, w.server.uids = w.asked[:0], w.server.uids[:0]
}

// settle serves everybody, without further faults, until nothing is owed to anybody.
func (w *world) settle() {
	w.note("settle")
	for round := range 300 {
		w.server.calmly()
		for _, c := range w.clients {
			if c != nil {
				c.settle()
			}
		}
		w.turn() // which may read from a client again
		w.rules()
		if !slices.ContainsFunc(w.clients[:], (*client).restless) {
			return
		}
		w.pass(time.Duration(round) * ms) // a request that dc_server forgot needs its timeout
	}
	for _, c := range w.clients {
		if c != nil {
			w.note("%v: %d requests owed, %d bytes unread, reading %v", c, len(c.owed), len(c.unread), c.reading)
		}
	}
	w.fail("it does not come to rest")
}

// calmly lets dc_server do its duty.
func (s *server) calmly() {
	s.finishDial()
	s.writable()
	for len(s.pending) > 0 {
		s.reply()
	}
	for len(s.out) > 0 {
		s.deliver()
	}
}

// settle lets the client's program read and the agent read from it.
func (c *client) settle() {
	c.drain()
	for range 100 {
		if c.w.clients[c.number] != c || !c.reading || len(c.unread) == 0 {
			return
		}
		c.beRead()
	}
}

// restless reports whether the agent has yet to read what the program wrote, or to answer.
func (c *client) restless() bool {
	return c != nil && (len(c.unread) > 0 || len(c.owed) > 0) && (c.w.plenty || c.reading)
}

func (w *world) allLeave() {
	w.note("all leave")
	for _, c := range w.clients {
		if c == nil {
			continue
		}
		c.fin = true
		w.must(c.reading || !w.plenty, "%v could ask again, but nobody listens", c)
		for w.clients[c.number] == c && c.reading {
			c.beRead()
		}
		if w.clients[c.number] == c && !c.reading && !w.plenty { // there was no memory to read on
			c.fail()
		}
		w.must(w.clients[c.number] != c, "%v has left, has %d bytes unread and is owed %d answers: it is still there", c, len(c.unread), len(c.owed))
	}
}

func (w *world) stop() {
	if w.stopped {
		return
	}
	w.note("stop")
	w.stopped = true
	w.agent.Stop(w.now)
	w.must(w.server.state == off, "stopped, and the connection is still there")
	w.rules()
}

// mustBeEmpty holds that nothing is left of anybody.
func (w *world) mustBeEmpty(last bool) {
	p := w.agent
	w.must(w.pool.Lent() == 0, "%d bytes are still lent", w.pool.Lent())
	if w.stunnel != nil {
		w.stunnel.mustBeEmpty()
	}
	w.must(p.Busy() == 0, "%d clients are still busy", p.Busy())
	w.must(len(p.parked) == 0, "%d clients are still parked", len(p.parked))
	w.must(p.Server().Mux().Unanswered() == 0, "%d requests are still in flight", p.Server().Mux().Unanswered())
	w.must(len(p.Server().Mux().Unsent()) == 0, "%d bytes are still to be sent", len(p.Server().Mux().Unsent()))
	due := min(p.Server().Mux().Deadline(), w.front.Deadline())
	w.must(due == deadline.Never, "something is still due at %v", due)
	w.must(!last || p.Deadline() == deadline.Never, "the link is still due at %v", p.Deadline())
	w.must(w.server.state == off, "the connection is still there")
	w.must(p.cache == nil || p.cache.idle(), "a cache that serves nobody has something under way")
}

// mustAgree compares the agent's counters with what was seen from outside.
func (w *world) mustAgree() {
	m, t := w.agent.Server().Mux().Counters, &w.totals
	agree := func(seen, counted uint64, what string) {
		// An answer that waits for earlier ones, or for the end of the turn, goes with its client.
		w.must(seen <= counted && counted <= seen+t.Unseen, "%d %s came, %d were counted", seen, what, counted)
	}
	agree(t.Answers, m.Answered, "answers")
	agree(t.ShortAdds, w.agent.Counters.ShortAdds, "answers to short ADDs")
	given := m.TimedOut + m.Lost + m.Full + w.agent.Counters.Unavailable
	agree(t.Disconnected, given, "answers DISCONNECTED")
	byStatus := uint64(0)
	for _, f := range w.agent.Snapshot(0).fronts {
		for _, byOp := range f.Counters.Answers {
			for _, n := range byOp {
				byStatus += n
			}
		}
	}
	w.must(byStatus == m.Answered+given+w.agent.Counters.ShortAdds, "%d answers by status, want those of %+v and %+v", byStatus, m, w.agent.Counters)
	w.must(m.Forwarded >= m.Answered+m.TimedOut+m.Lost, "more ends than beginnings: %+v", m)
	w.must(t.Clients == w.front.Counters.Clients, "%d clients, %d counted", t.Clients, w.front.Counters.Clients)
	t.Late, t.Swallowed, t.Unsolicited, t.Full = m.Late, m.Swallowed, m.Unsolicited, m.Full
	t.Refused = w.agent.Counters.Unavailable
}

// add adds o to t.
func (t *totals) add(o *totals) {
	sum, more := reflect.ValueOf(t).Elem(), reflect.ValueOf(o).Elem()
	for i := range sum.NumField() {
		sum.Field(i).SetUint(sum.Field(i).Uint() + more.Field(i).Uint())
	}
}

// mustHaveSeenEverything holds that the histories held each thing there is a total of.
func (t *totals) mustHaveSeenEverything(tb testing.TB) {
	tb.Helper()
	all := reflect.ValueOf(t).Elem()
	for i := range all.NumField() {
		if all.Field(i).Uint() == 0 {
			tb.Errorf("no history held a case of %s", all.Type().Field(i).Name)
		}
	}
}
