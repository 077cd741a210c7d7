package load

import (
	"context"
	"distcache/bench/load/plan"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
)

// loop is one run. Everything in it belongs to one goroutine, locked to its thread.
type loop struct {
	config  *plan.Config
	plan    *plan.Plan
	judge   plan.Judge
	encoder plan.Encoder
	tally   *plan.Tally
	target  target
	clock   clock
	now     int64 // not later than the true time, and seldom much earlier

	clients  []client
	pendings []plan.Pending // Config.Pipeline for each client
	sessions []plan.Session // Config.Sessions for each client

	waiting  queue // for an answer, in the order in which they asked
	knocking queue // to connect again, because the backlog was full
	resting  queue // after a failure
	watched  int   // how many are in the epoll set
	epoll    int

	polls    []unix.PollFd
	polled   []*client
	answered int64 // when one of the clients that have waited longest had its answer
	patience int64 // how long after that it is looked for answers that have overtaken
	demotion int   // how many clients move into the epoll set when there are some
	eager    bool  // the last answers that were asked for were all there

	caller  caller
	queued  *batch // what is to be carried out next
	free    []*batch
	stash   []int32 // sockets made ahead
	chunk   int     // how much is received at a time, in bytes
	scratch []byte
	spare   [][]byte // buffers for half an answer or half a request

	lingering []lingerer
	closes    uint64 // connections that ended after their operation

	phase       plan.Phase
	ended       bool
	phaseEnd    int64  // when the phase ends by time, or never
	left        uint64 // operations that may still be begun in this phase
	outstanding int    // requests that are unanswered
	pacer       plan.Pacer
	measured    int64 // when the measurement began
	began       time.Time
	lastEnd     int64    // when the last operation ended
	cpu         plan.CPU // of the thread: when the measurement began; after the end, since then
	processCPU  plan.CPU // of the process, the same

	nextChores, nextScan int64
	violation            *plan.Violation
	cancelled            <-chan struct{}
}

const (
	// paceAtMost bounds how many operations that are due are begun before answers are looked at again.
	paceAtMost = 256
	// choresEvery is how often what is not urgent is looked after, and so the longest sleep.
	choresEvery = int64(5 * time.Millisecond)
	// restTime is how long a client rests after its connection failed, so that a service that is away is not stormed.
	restTime = int64(10 * time.Millisecond)
)

func newLoop(ctx context.Context, config *plan.Config, t target) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	protocol := plan.Distcache
	if config.Protocol != nil {
		protocol = config.Protocol
	}
	l := &loop{
		config: config, plan: plan.New(config), tally: plan.NewTally(), target: t, clock: newClock(),
		epoll:    epoll,
		patience: lookAfter,
		demotion: pollWindow,
		chunk:    chunkSize(config),
		scratch:  make([]byte, codec.MaxMessageSize),
		// In a closed loop the pacer is never asked.
		pacer:     plan.NewPacer(max(config.Rate, 1), config.Clients),
		cancelled: ctx.Done(),
	}
	l.judge = plan.Judge{Plan: l.plan, Lossy: config.Lossy, Slack: int64(config.Slack)}
	l.encoder = plan.Encoder{Plan: l.plan, Protocol: protocol()}
	l.caller = newCaller(config, &l.target)
	inbox := l.chunk * min(batchAtMost, config.Clients, max(1, inboxSize/l.chunk))
	// One is queued to, one is dealt with, and meanwhile one with sends.
	l.queued, l.free = newBatch(inbox), []*batch{newBatch(inbox), newBatch(inbox)}
	l.populate()
	return l, nil
}

// chunkSize is the size of the longest answers that one client can have, or a good part of it.
func chunkSize(config *plan.Config) int {
	return min(config.Pipeline*codec.MessageSize(config.DataMax), inboxSize/4) + codec.HeaderSize
}

func newCaller(config *plan.Config, t *target) caller {
	if !config.SystemCalls {
		if r, err := newRing(t); err == nil {
			return r
		}
	}
	return &plain{target: t}
}

func (l *loop) populate() {
	l.clients = make([]client, l.config.Clients)
	for i := range l.clients {
		l.clients[i] = client{number: uint32(i), fd: noFD, stream: l.plan.NewStream(uint32(i))}
	}
	l.pendings = make([]plan.Pending, l.config.Clients*l.config.Pipeline)
	l.sessions = make([]plan.Session, l.config.Clients*l.config.Sessions)
	l.waiting = newQueue(l.clients, inWaiting)
	l.knocking = newQueue(l.clients, inKnocking)
	l.resting = newQueue(l.clients, inResting)
	l.polls = make([]unix.PollFd, 0, l.config.Clients+1)
	l.polled = make([]*client, 0, l.config.Clients)
}

// run returns when the run has ended, by itself or by a violation.
func (l *loop) run() {
	l.enter(l.firstPhase())
	for !l.ended && l.violation == nil {
		l.turn()
	}
	l.cpu = usage(unix.RUSAGE_THREAD).Minus(l.cpu)
	l.processCPU = usage(unix.RUSAGE_SELF).Minus(l.processCPU)
	if l.config.OnEnd != nil {
		l.config.OnEnd()
	}
	l.lookBehind()
	l.closeAll()
}

// turn does what is to be done, or sleeps until something is.
func (l *loop) turn() {
	l.now = l.clock.now()
	if l.now >= l.nextChores {
		l.chores()
	}
	l.pace()
	l.movePhase()
	if l.ended || l.violation != nil {
		return
	}
	if l.eager {
		l.askOldest()
	}
	if len(l.queued.calls) > 0 {
		l.carryOut()
		return
	}
	l.wait()
}

// pace begins the operations that have become due.
func (l *loop) pace() {
	for range paceAtMost {
		if l.config.Rate == 0 || l.pacer.Next() > l.now {
			return
		}
		c := &l.clients[l.pacer.Issued%l.pacer.Clients]
		l.pacer.Issued++
		c.owed++
		l.fill(c)
	}
}

func (l *loop) session(c *client, slot uint32) *plan.Session {
	return &l.sessions[int(c.number)*l.config.Sessions+int(slot)]
}

// pending returns the client's unanswered request number i, counted from the oldest.
func (l *loop) pending(c *client, i uint32) *plan.Pending {
	depth := uint32(l.config.Pipeline)
	return &l.pendings[c.number*depth+(c.first+i)%depth]
}

func (l *loop) closeAll() {
	for i := range l.clients {
		l.disconnect(&l.clients[i])
	}
	for _, c := range l.queued.calls {
		if c.kind == callClose {
			closeSocket(int(c.fd))
		}
	}
	for _, fd := range l.stash {
		closeSocket(int(fd))
	}
	for _, s := range l.lingering {
		closeSocket(s.fd)
	}
	l.caller.close()
	closeSocket(l.epoll)
}

func (l *loop) result() *plan.Result {
	return &plan.Result{
		Config: *l.config, Protocol: l.encoder.Protocol.Name(), Calls: l.caller.name(),
		Started: l.began, Elapsed: time.Duration(max(0, l.lastEnd-l.measured)),
		Operations: l.tally.Operations, Failures: l.tally.Failures, FailureLatency: l.tally.Failed,
		Connections: l.tally.Connections, Unstarted: l.unstarted(), StartDelay: l.tally.Late,
		CPU: l.cpu, ProcessCPU: l.processCPU,
		Violation: l.violation,
	}
}

// unstarted is how many operations were or will be due in this run and have not been begun.
func (l *loop) unstarted() uint64 {
	if l.config.Rate == 0 {
		return 0
	}
	return l.owed() + l.pacer.Limit - l.pacer.Issued
}

// owed is how many operations have become due and have not been begun.
func (l *loop) owed() uint64 {
	n := uint64(0)
	for i := range l.clients {
		n += l.clients[i].owed
	}
	return n
}
