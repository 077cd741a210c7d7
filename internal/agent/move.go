package agent

import (
	"time"

	"distcache/upstream"
)

// retireLimit is how long requests at the server that was moved away from may take to be answered.
// Config.Server.Timeout is the limit when it is shorter. What is left then is answered DISCONNECTED.
const retireLimit = 10 * time.Second

// watch hears of the connection to one server, for the agent and for who asked for that server.
type watch struct {
	agent   *Agent
	server  *upstream.Server
	watcher upstream.Watcher
	ended   func(moved bool, now time.Duration) // of a move; nil: it was there from the start
}

// LinkChanged passes the change on, and acts on it by the part that the server has.
func (w *watch) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	w.watcher.LinkChanged(from, to, why, now)
	a := w.agent
	switch {
	case w.server == a.server:
		a.linkChanged(to, now)
	case w == a.next && to == upstream.Up:
		a.switchOver(now)
	case w == a.next && to == upstream.Down:
		a.next = nil
		w.server.Stop(now)
		w.ended(false, now)
	case w.server == a.retiring && to == upstream.Down:
		a.retiring = nil
		w.server.Stop(now)
	}
}

// addServer makes a server that reports to w.
func (a *Agent) addServer(config upstream.Config, t upstream.Transport, w upstream.Watcher) *watch {
	added := &watch{agent: a, watcher: w}
	added.server = upstream.New(config, t, a, added)
	return added
}

// Move connects to the server behind t, and uses it in place of the present one once that
// connection is up. No request fails for that: those that are in flight then are finished over the
// old connection. When the first attempt fails, the present server stays. ended tells which,
// unless Stop or another Move comes before, or the present server is connected to anew.
func (a *Agent) Move(config upstream.Config, t upstream.Transport, w upstream.Watcher, ended func(moved bool, now time.Duration), now time.Duration) {
	a.endMove(now)
	a.next = a.addServer(config, t, w)
	a.next.ended = ended
	a.next.server.Start(now)
}

// endMove gives up a move that is under way.
func (a *Agent) endMove(now time.Duration) {
	if next := a.next; next != nil {
		a.next = nil
		next.server.Stop(now)
	}
}

// switchOver ends a move: its server is the one in use.
func (a *Agent) switchOver(now time.Duration) {
	next, old := a.next, a.server
	a.retire(now)
	a.server, a.next = next.server, nil
	a.retiring, a.retireAt = old, now+min(retireLimit, a.config.Server.Timeout)
	if old.State() == upstream.Up {
		a.finishOld(now) // an idle one ends at once: no turn may end soon
	} else {
		a.retire(now) // nothing is in flight, and it would connect again
	}
	a.linkChanged(upstream.Up, now)
	next.ended(true, now)
}

// finishOld sends what the old server is still owed, and ends it when it owes nothing or has had
// its time.
func (a *Agent) finishOld(now time.Duration) {
	a.retiring.Flush(now)
	if a.retiring != nil && (a.retiring.Mux().Unanswered() == 0 || now >= a.retireAt) {
		a.retire(now)
	}
}

// retire ends the old server, if there is one.
func (a *Agent) retire(now time.Duration) {
	if old := a.retiring; old != nil {
		a.retiring = nil
		old.Stop(now)
	}
}
