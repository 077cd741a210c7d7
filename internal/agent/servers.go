package agent

import (
	"errors"
	"time"

	"distcache/upstream"
)

// FirstWait is how long requests may wait for the very first connection to dc_server, and for the next
// server of several when one was lost. Otherwise a request that finds no connection is answered at once.
const FirstWait = 250 * time.Millisecond

// Arrange makes names the list of servers, in this order; see upstream.Servers. add gives the connection to a new one, and
// who is told of that; both use config.
func (a *Agent) Arrange(names []string, add func(name string) upstream.Spec, now time.Duration) {
	added := false
	if a.cache != nil && !a.servers.Lists(names) {
		a.cache.held.endEra()
	}
	a.servers.Arrange(names, func(name string) upstream.Spec {
		spec := add(name)
		spec.Config.Figures = &a.figures
		added = true
		return spec
	}, now)
	switch settled := a.servers.Settled(); {
	case a.waiting && settled: // one that was about to be left serves again
		a.endWait(now)
	case added && a.started && !a.waiting && !settled:
		a.beginWait(now)
	}
}

// Servers are the dc_servers. Their list changes by Arrange, and where one is by Move.
func (a *Agent) Servers() *upstream.Servers { return a.servers }

// Move connects a member to the server behind t; see upstream.Member.
func (a *Agent) Move(m *upstream.Member, spec upstream.Spec, ended func(moved bool, now time.Duration), now time.Duration) {
	spec.Config.Figures = &a.figures
	m.Move(spec.Config, spec.Transport, spec.Watcher, ended, now)
}

// waits reports whether a request that finds no connection may wait for one. Where there are several servers and the one
// that served is lost, that is so until the others have been tried.
func (a *Agent) waits(now time.Duration) bool {
	serving := a.servers.Serving()
	if !a.waiting && serving != nil && serving.State() != upstream.Up && len(a.servers.Members()) > 1 {
		a.beginWait(now) // it is being told that it is lost
	}
	return a.waiting
}

// beginWait lets requests wait for a server that was not tried yet.
func (a *Agent) beginWait(now time.Duration) {
	a.waiting, a.waitEnds = true, now+min(FirstWait, a.config.Server.Timeout)
}

// MemberChanged implements upstream.Overseer. The wait is over when there is a connection, or none to be expected.
func (a *Agent) MemberChanged(m *upstream.Member, from, to upstream.State, why error, now time.Duration) {
	a.link.changed(from, to, why, now)
	if a.cache != nil && (to == upstream.Up || from == upstream.Up && !errors.Is(why, upstream.ErrStopped)) {
		a.cache.held.endEra() // what answers from now on may not be what answered before
	}
	settled := a.servers.Settled()
	switch {
	case settled && (to == upstream.Up || to == upstream.Down):
		a.endWait(now)
	case !settled && from == upstream.Up && !a.waiting && !a.config.Spread:
		a.beginWait(now)
	}
}

// ServingChanged implements upstream.Overseer.
func (a *Agent) ServingChanged(from, to *upstream.Member, now time.Duration) {
	a.observer.ServingChanged(from, to, now)
}

// retriesPerCall bounds how long retries keep the loop from its clients.
const retriesPerCall = 512

// endWait takes the requests that waited. When they are many, Deadline stays in the past and
// the rest follow.
func (a *Agent) endWait(now time.Duration) {
	a.waiting = false
	some := a.parked[:min(len(a.parked), retriesPerCall)]
	a.parked = a.parked[len(some):]
	for _, asker := range some {
		a.fronts[asker.Front].Retry(int(asker.Client), now)
	}
	if len(a.parked) == 0 {
		a.parked = nil
	}
}
