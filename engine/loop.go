package engine

import (
	"slices"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/poll"
	"distcache/engine/socket"
)

// Loop is the event loop and its clock.
type Loop struct {
	poller *poll.Poller
	epoch  time.Time
	timer  *poll.Timer
	armed  time.Duration // when the timer goes off
	due    bool          // it went off in this turn
	timed  []Timed
	ending []func(now time.Duration)
	err    error // why the loop stopped itself

	barrier *socket.Barrier // of Clients.WriteParted; nil: no descriptor was to be had for it
}

// Timed is something that is to be called at a deadline of its own.
type Timed interface {
	// Deadline is when Expire is to be called next, or deadline.Never. The loop asks
	// after every event, so it must be cheap.
	Deadline() time.Duration
	// Expire is called when Deadline has come, on the loop goroutine, after the events
	// of the turn.
	Expire(now time.Duration)
}

// NewLoop makes a loop that has nothing to do yet.
func NewLoop() (*Loop, error) {
	l := &Loop{epoch: time.Now(), armed: deadline.Never}
	var err error
	if l.poller, err = poll.Open(poll.Hooks{AfterEvent: l.rearm, TurnEnd: l.turnEnded}); err != nil {
		return nil, err
	}
	if l.timer, err = l.poller.NewTimer(l.timerFired); err != nil {
		l.Stop()
		_ = l.poller.Run() // returns at once, which frees it; err is what counts
		return nil, err
	}
	l.barrier, _ = socket.NewBarrier() // what needs it does without
	return l, nil
}

// Now is the monotonic time since the loop was made.
func (l *Loop) Now() time.Duration { return time.Since(l.epoch) }

// Schedule makes the loop call t.Expire at t.Deadline from now on.
func (l *Loop) Schedule(t Timed) { l.timed = append(l.timed, t) }

// Unschedule undoes Schedule.
func (l *Loop) Unschedule(t Timed) {
	// A new slice: turnEnded may be at work on the old one.
	l.timed = slices.DeleteFunc(slices.Clone(l.timed), func(other Timed) bool { return other == t })
}

// AtTurnEnd adds fn to what is called at the end of each turn in which EndTurn was called.
func (l *Loop) AtTurnEnd(fn func(now time.Duration)) { l.ending = append(l.ending, fn) }

// EndTurn asks for the calls at the end of this turn.
func (l *Loop) EndTurn() { l.poller.EndTurn() }

// ShareProcessor tells that other goroutines work for the loop, as those of a store that asks another server:
// they get the processor whenever the loop sleeps. It is to be called before Run.
func (l *Loop) ShareProcessor() { l.poller.ShareProcessor() }

// OneOfSeveral sets this loop up to be one of several in the process, so that it never has to wait for another
// one. It is to be called before Run.
func (l *Loop) OneOfSeveral() error { return l.poller.OneOfSeveral() }

// Post runs fn on the loop goroutine, soon. Any goroutine may call it. It returns
// poll.ErrStopped when the loop has ended.
func (l *Loop) Post(fn func()) error { return l.poller.Post(fn) }

// Stop makes Run return nil. Any goroutine may call it, more than once.
func (l *Loop) Stop() { _ = l.poller.Stop() } // ErrStopped is what was asked for

// Run works until Stop is called, then frees the loop. It may be called once.
func (l *Loop) Run() error {
	l.EndTurn() // for the deadlines that are set already
	err := l.poller.Run()
	_ = l.timer.Close() // nothing is lost with a timer
	if l.barrier != nil {
		_ = l.barrier.Close() // nothing was written to it
	}
	if l.err != nil {
		return l.err
	}
	return err
}

// Attach, Watch and Close are the poller's, for descriptors other than clients: the
// connection of package upstream.

// Attach enters fd with its handler, and watches it for reading; see poll.Poller.Attach.
func (l *Loop) Attach(fd int, h poll.Handler) error { return l.poller.Attach(fd, h) }

// Watch sets what the attached fd is watched for; see poll.Poller.Watch.
func (l *Loop) Watch(fd int, want poll.Interest) error { return l.poller.Watch(fd, want) }

// Close ends the attached fd; see poll.Poller.Close.
func (l *Loop) Close(fd int) { l.poller.Close(fd) }

func (l *Loop) turnEnded() {
	now := l.Now()
	if l.due {
		l.due, l.armed = false, deadline.Never
		for _, t := range l.timed {
			if t.Deadline() <= now {
				t.Expire(now)
			}
		}
	}
	for _, fn := range l.ending {
		fn(now)
	}
}

// rearm sets the timer when a deadline comes before it. The poller calls it after each
// event, the one place where deadlines are asked for. One that has moved back is noticed
// when the timer goes off: with requests coming and going that is one system call per
// timeout, not per request.
func (l *Loop) rearm() {
	next := deadline.Never
	for _, t := range l.timed {
		next = min(next, t.Deadline())
	}
	if next >= l.armed {
		return
	}
	if err := l.timer.Set(next - l.Now()); err != nil {
		l.err = err // without a clock nothing would ever time out
		l.Stop()
		return
	}
	l.armed = next
}

// timerFired leaves the deadlines to the end of the turn: a process that was stopped for a
// while then reads what came meanwhile before anything times out.
func (l *Loop) timerFired() {
	l.due = true
	l.EndTurn()
}
