package agent

import (
	"fmt"
	"slices"

	"distcache/codec"
	"distcache/upstream"
)

// arrived takes a request that a server has got: once, and the right server.
func (f *fleet) arrived(s *ship, payload string) {
	h := f.hails[payload]
	f.must(h != nil && h.to == nil, "%s got %q, which was not asked, or once", s.name, payload)
	f.note("%s has %s", s.name, payload)
	h.to, h.voyage, h.at = s, s.voyage, f.now
	if h.at > h.asked {
		f.Waited++
	}
}

// collect takes what clients got: the answers to their requests in order, each their own or DISCONNECTED with a reason.
func (f *fleet) collect() {
	for c, got := range f.got {
		answers := codec.NewAssembler(codec.Response)
		for len(got) > 0 {
			a, err := answers.Next(got)
			f.must(err == nil && len(f.owed[c]) > 0, "client %d got %.40x, %v, and is owed %d", c, got, err, len(f.owed[c]))
			h := f.owed[c][0]
			f.must(a.UID == h.uid, "client %d got uid %d for %d", c, a.UID, h.uid)
			switch p := string(a.Payload(nil)); p {
			case fmt.Sprintf("session %d", a.UID):
				f.Answered++
			case disconnected:
				f.excused(h)
			default:
				f.must(false, "client %d got %q for uid %d", c, p, a.UID)
			}
			got, f.owed[c] = got[len(a.Wire):], f.owed[c][1:]
		}
		delete(f.got, c)
	}
	f.refusals()
}

// excused holds that a request may be answered DISCONNECTED.
func (f *fleet) excused(h *hail) {
	f.note("uid %d is answered DISCONNECTED", h.uid)
	switch {
	case h.to == nil:
		f.Refused++
	case h.to.voyage != h.voyage:
		f.Lost++
	default:
		f.TimedOut++
		f.must(f.now >= h.at+testTimeout, "uid %d was given up after %v", h.uid, f.now-h.at)
	}
}

// refusals holds that requests were answered here only where no server was to be hoped for: each has been tried since the
// last one was lost, or the wait for them is over.
func (f *fleet) refusals() {
	refused := f.Counters().Unavailable
	if refused == f.refused || f.spread { // spread: TestSpreadLosesOneShare of upstream
		f.refused = refused
		return
	}
	f.note("%d requests are refused", refused-f.refused)
	f.refused = refused
	f.must(f.Servers().Serving() == nil, "requests are refused while a server serves")
	f.must(f.waited(), "requests are refused with servers untried since %v", f.lostAt)
}

// waited reports whether there is no server to be hoped for.
func (f *fleet) waited() bool {
	untried := slices.ContainsFunc(f.list, func(name string) bool { return f.ships[name].failedAt < f.lostAt || f.ships[name].voyage < 2 })
	return !untried || f.now >= f.lostAt+min(FirstWait, testTimeout)
}

// hoped holds that soon after a loss the first server that did not fail last time is being tried: none waits behind those
// that did.
func (f *fleet) hoped() {
	if f.now < f.adrift+upstream.LossJitter {
		return
	}
	for _, m := range f.Servers().Members() {
		if m.Failure() == nil && !m.Leaving() {
			f.must(m.State() != upstream.Down, "%s is not tried, and none serves", m.Name())
			return
		}
	}
}

// Counters are the agent's.
func (f *fleet) Counters() Counters { return f.Agent.Counters }

// rules are what holds after each step.
func (f *fleet) rules() {
	up := 0
	for _, name := range f.list {
		if s := f.ships[name]; s.state == connected && s.link.State() == upstream.Up {
			up++
		}
	}
	serving := f.Servers().Serving()
	switch {
	case f.spread:
		f.must(serving == nil, "%v serves although all do", serving)
	case serving == nil:
		f.must(up == 0, "%d servers are up and none serves", up)
		f.hoped()
	default:
		f.lostAt = f.now
		f.must(serving.State() == upstream.Up, "%s serves while %v", serving.Name(), serving.State())
		f.must(up <= 4, "%d servers are connected", up)
	}
	for c, owed := range f.owed {
		f.must(len(owed) == 0 || f.now <= owed[0].asked+4*testTimeout+FirstWait, "client %d waits since %v", c, owed)
	}
}
