package load

import (
	"distcache/bench/load/plan"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

func (l *loop) firstPhase() plan.Phase {
	switch {
	case l.config.Preload:
		return plan.Preloading
	case l.config.Warmup > 0:
		return plan.WarmingUp
	}
	return plan.Measuring
}

// movePhase goes on to the next phase when the present one is over.
func (l *loop) movePhase() {
	switch l.phase {
	case plan.Preloading:
		if l.left == 0 && l.outstanding == 0 {
			l.enter(l.afterPreload())
		}
	case plan.WarmingUp:
		if l.now >= l.phaseEnd {
			l.enter(plan.Measuring)
		}
	case plan.Measuring:
		if l.left == 0 || l.now >= l.phaseEnd {
			l.enter(plan.Draining)
		}
	case plan.Draining:
		l.ended = l.outstanding == 0 && l.now >= l.lastEnd+lingerTime && len(l.lingering) == 0 &&
			(l.now >= l.phaseEnd || l.unstarted() == 0)
	}
}

func (l *loop) afterPreload() plan.Phase {
	if l.config.Warmup > 0 {
		return plan.WarmingUp
	}
	return plan.Measuring
}

// enter begins a phase, and the first operations of each client in it.
func (l *loop) enter(p plan.Phase) {
	l.phase = p
	l.now = l.clock.now()
	switch p {
	case plan.Preloading:
		l.allow(uint64(l.config.Clients) * uint64(l.config.Sessions))
		l.phaseEnd = plan.Never
	case plan.WarmingUp:
		l.phaseEnd = l.now + int64(l.config.Warmup)
		l.pacer.Start = l.now
		l.allow(plan.Unlimited)
	case plan.Measuring:
		l.measure()
	case plan.Draining:
		l.allow(0)
		l.phaseEnd = l.now + int64(l.config.AnswerLimit)
	}
	l.publish()
	if l.phase == plan.Preloading || l.config.Rate == 0 {
		l.fillAll()
	}
}

func (l *loop) measure() {
	l.tally.Reset()
	if l.config.Warmup == 0 {
		l.pacer.Start = l.now
	}
	l.phaseEnd = plan.Never
	if l.config.Duration > 0 {
		l.phaseEnd = l.now + int64(l.config.Duration)
	}
	limit := uint64(plan.Unlimited)
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
	} else if l.phase != plan.Draining {
		l.pacer.Limit = l.pacer.Before(l.phaseEnd)
		if operations < l.pacer.Limit-l.pacer.Issued {
			l.pacer.Limit = l.pacer.Issued + operations
		}
		l.left = l.pacer.Limit - l.pacer.Issued + l.owed()
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
func (l *loop) paced() bool { return l.config.Rate > 0 && l.phase != plan.Preloading }

// mayBegin reports whether the client has an operation to begin now.
func (l *loop) mayBegin(c *client) bool {
	if l.paced() {
		return c.owed > 0 && (l.phase != plan.Draining || l.now < l.phaseEnd)
	}
	return c.quota > 0
}

// cancel ends the run as soon as what is unanswered is answered.
func (l *loop) cancel() {
	l.enter(plan.Draining)
	l.phaseEnd = l.now
	l.pacer.Limit = l.pacer.Issued
}

// publish shows others how far the run is.
func (l *loop) publish() {
	if p := l.config.Progress; p != nil {
		p.Publish(l.tally.Done, l.tally.Errors, l.phase)
	}
}

// scanEvery is how often the clients are looked through for answers that are missing, at most.
const scanEvery = int64(100 * time.Millisecond)

// chores looks after what is not urgent.
func (l *loop) chores() {
	l.nextChores = l.now + choresEvery
	l.publish()
	select {
	case <-l.cancelled:
		l.cancelled = nil
		l.cancel()
	default:
	}
	l.knockAgain()
	l.rouse()
	l.checkLingering(l.now - lingerTime)
	if l.now >= l.nextScan {
		l.nextScan = l.now + min(scanEvery, int64(l.config.AnswerLimit)/10)
		l.scan()
	}
	if l.knocking.length > 0 {
		l.nextChores = l.now + knockEvery
	}
}

// rouse lets those go on that have rested.
func (l *loop) rouse() {
	for c := l.resting.front(); c != nil && c.until <= l.now; c = l.resting.front() {
		l.resting.remove(c)
		l.fill(c)
		l.carryOutIfFull()
	}
}

// scan looks for requests whose answer is overdue.
func (l *loop) scan() {
	now := l.clock.now()
	for i := range l.clients {
		c := &l.clients[i]
		if c.count > 0 && now-l.pending(c, 0).Begun > int64(l.config.AnswerLimit) && l.violation == nil {
			l.overdue(c)
		}
	}
}

// overdue deals with a client whose oldest request has waited too long. The answer may lie unread in the socket, if it
// is this process that was held up.
func (l *loop) overdue(c *client) {
	if c.link == open && c.sent() > 0 && l.receiveNow(c) {
		return
	}
	switch {
	case c.link != open:
		l.fail(c, plan.FailedConnect)
	case l.config.Lossy:
		l.fail(c, plan.FailedTimeout)
	default:
		l.now = l.clock.now()
		p := l.pending(c, 0)
		l.violate(p, c.in, &plan.Finding{Kind: plan.FaultMissing, Reason: fmt.Sprintf("none within %v; %d bytes of it have come", l.config.AnswerLimit, len(c.in))})
	}
}
