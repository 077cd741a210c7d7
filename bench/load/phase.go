package load

import (
	"time"

	"golang.org/x/sys/unix"
)

func (l *loop) firstPhase() Phase {
	switch {
	case l.config.Preload:
		return Preloading
	case l.config.Warmup > 0:
		return WarmingUp
	}
	return Measuring
}

// movePhase goes on to the next phase when the present one is over.
func (l *loop) movePhase() {
	switch l.phase {
	case Preloading:
		if l.left == 0 && l.outstanding == 0 {
			l.enter(l.afterPreload())
		}
	case WarmingUp:
		if l.now >= l.phaseEnd {
			l.enter(Measuring)
		}
	case Measuring:
		if l.left == 0 || l.now >= l.phaseEnd {
			l.enter(Draining)
		}
	case Draining:
		l.ended = l.outstanding == 0 && l.now >= l.lastEnd+lingerTime && len(l.lingering) == 0 &&
			(l.now >= l.phaseEnd || l.unstarted() == 0)
	}
}

func (l *loop) afterPreload() Phase {
	if l.config.Warmup > 0 {
		return WarmingUp
	}
	return Measuring
}

// enter begins a phase, and the first operations of each client in it.
func (l *loop) enter(p Phase) {
	l.phase = p
	l.now = l.clock.now()
	switch p {
	case Preloading:
		l.allow(uint64(l.config.Clients) * uint64(l.config.Sessions))
		l.phaseEnd = never
	case WarmingUp:
		l.phaseEnd = l.now + int64(l.config.Warmup)
		l.pacer.start = l.now
		l.allow(unlimited)
	case Measuring:
		l.measure()
	case Draining:
		l.allow(0)
		l.phaseEnd = l.now + int64(l.config.AnswerLimit)
	}
	l.publish()
	if l.phase == Preloading || l.config.Rate == 0 {
		l.fillAll()
	}
}

func (l *loop) measure() {
	l.tally.reset()
	if l.config.Warmup == 0 {
		l.pacer.start = l.now
	}
	l.phaseEnd = never
	if l.config.Duration > 0 {
		l.phaseEnd = l.now + int64(l.config.Duration)
	}
	limit := uint64(unlimited)
	if l.config.Operations > 0 {
		limit = l.config.Operations
	}
	l.allow(limit)
	l.measured, l.lastEnd = l.now, l.now
	l.began = time.Now()
	if l.config.OnMeasure != nil {
		l.config.OnMeasure()
	}
	l.cpu, l.processCPU = usage(unix.RUSAGE_THREAD), usage(unix.RUSAGE_SELF)
}

// allow says how many operations may be begun in this phase. In a closed loop each client has its share of them. In an
// open loop the pacer deals them out, up to the phase's end; what is due by then is still begun while draining.
func (l *loop) allow(operations uint64) {
	l.left = operations
	if !l.paced() {
		l.share(operations)
	} else if l.phase != Draining {
		l.pacer.limit = l.pacer.before(l.phaseEnd)
		if operations < l.pacer.limit-l.pacer.issued {
			l.pacer.limit = l.pacer.issued + operations
		}
		l.left = l.pacer.limit - l.pacer.issued + l.owed()
	}
}

func (l *loop) share(operations uint64) {
	each, rest := operations/uint64(len(l.clients)), operations%uint64(len(l.clients))
	for i := range l.clients {
		l.clients[i].quota = each
		if uint64(i) < rest {
			l.clients[i].quota++
		}
	}
}

// paced reports whether the pacer says when operations begin.
func (l *loop) paced() bool { return l.config.Rate > 0 && l.phase != Preloading }

// mayBegin reports whether the client has an operation to begin now.
func (l *loop) mayBegin(c *client) bool {
	if l.paced() {
		return c.owed > 0 && (l.phase != Draining || l.now < l.phaseEnd)
	}
	return c.quota > 0
}

// cancel ends the run as soon as what is unanswered is answered.
func (l *loop) cancel() {
	l.enter(Draining)
	l.phaseEnd = l.now
	l.pacer.limit = l.pacer.issued
}

// publish shows others how far the run is.
func (l *loop) publish() {
	if p := l.config.Progress; p != nil {
		p.done.Store(l.tally.done)
		p.failed.Store(l.tally.errors)
		p.phase.Store(uint32(l.phase))
	}
}
