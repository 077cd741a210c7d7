package poll

import (
	"errors"

	_ "distcache/engine/poll/gnetenv" // keeps gnet's logger from reading the environment
	"distcache/engine/socket"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// ErrStopped is returned by Post, Stop and Watch once Run has returned.
var ErrStopped = errors.New("the poller has stopped")

// Poller is one epoll set and the goroutine that runs it.
type Poller struct {
	netpoll *netpoll.Poller // the set
	waiter  *waiter
	table   []entry   // by fd
	dying   []int     // closed by Close; the kernel closes them after the turn
	aside   []closing // closed by CloseAside
	closer  closer

	hooks    Hooks
	turn     uint64 // its number
	turnEnds bool   // EndTurn was called

	mailbox  *mailbox
	stopping bool // Run returns at the end of the turn
	ended    bool // Run has returned: other files may have the set's descriptor numbers
}

type entry struct {
	handler  Handler // nil: not attached, or dying
	interest Interest
}

// Hooks are the owner's calls on the loop goroutine.
type Hooks struct {
	AfterEvent func() // after each event, and after TurnEnd
	TurnEnd    func() // at the end of each turn in which EndTurn or Close was called
}

// Open makes an empty set.
func Open(hooks Hooks) (*Poller, error) {
	redirectLogs()
	np, err := netpoll.OpenPoller()
	if err != nil {
		return nil, err
	}
	w, err := newWaiter(np)
	if err != nil {
		_ = np.Close() // err is the one to return
		return nil, err
	}
	p := &Poller{netpoll: np, waiter: w, hooks: hooks}
	if w.bell, err = p.NewTimer(w.rings); err == nil {
		err = p.openMailbox()
	}
	if err != nil {
		_ = p.closeSet() // err is the one to return
		return nil, err
	}
	return p, nil
}

func (p *Poller) openMailbox() error {
	m, err := openMailbox()
	if err != nil {
		return err
	}
	p.mailbox = m
	if err := p.Attach(m.fd, m); err != nil {
		m.close()
		return err
	}
	return nil
}

// Attach enters fd with its handler, and watches it for Read. The errors are those of Watch;
// after one, fd is attached and not watched.
func (p *Poller) Attach(fd int, h Handler) error {
	for len(p.table) <= fd {
		p.table = append(p.table, make([]entry, fd+1-len(p.table))...)
	}
	p.table[fd] = entry{handler: h}
	if p.ended {
		return ErrStopped
	}
	if err := p.netpoll.AddRead(&netpoll.PollAttachment{FD: fd}, false); err != nil {
		return err
	}
	p.table[fd].interest = Read
	return nil
}

// Watch sets the events that the attached fd is watched for. It returns the error of
// epoll_ctl, such as ENOSPC at the kernel's limit of watches. The fd is then not watched,
// except when it could not be taken out of the set: then it is watched as before. Watch
// returns ErrStopped once Run has returned.
func (p *Poller) Watch(fd int, want Interest) error {
	if p.ended {
		return ErrStopped
	}
	e := &p.table[fd]
	if e.interest == want {
		return nil
	}
	if e.interest != None && want&Read == 0 {
		if err := p.netpoll.Delete(fd); err != nil {
			return err
		}
		e.interest = None
	}
	had := e.interest
	e.interest = None
	if err := p.change(fd, had, want); err != nil {
		return err
	}
	e.interest = want
	return nil
}

// change maps a change of interest to the calls that netpoll has. It can add an fd with any
// interest, but it can modify one only to an interest that includes reading.
func (p *Poller) change(fd int, had, want Interest) error {
	pa := netpoll.PollAttachment{FD: fd}
	switch {
	case had != None && want == Read:
		return p.netpoll.ModRead(&pa, false)
	case had != None:
		return p.netpoll.ModReadWrite(&pa, false)
	case want == Read:
		return p.netpoll.AddRead(&pa, false)
	case want == Write:
		return p.netpoll.AddWrite(&pa, false)
	case want == ReadWrite:
		return p.netpoll.AddReadWrite(&pa, false)
	}
	return nil
}

// Close closes the attached fd. No event of it is delivered any more. The kernel closes it
// after the turn, which also takes it out of the set. If another process has the same
// socket, that does not happen: watch it for None first. Once Run has returned, Close
// closes fd at once.
func (p *Poller) Close(fd int) {
	p.table[fd] = entry{}
	p.dying = append(p.dying, fd)
	if p.ended {
		p.closeDying()
		return
	}
	p.EndTurn()
}

// CloseAside is Close for a descriptor whose close may block. After the turn a goroutine closes it,
// and then calls closed.
func (p *Poller) CloseAside(fd int, closed func()) {
	if fd < len(p.table) {
		_ = p.Watch(fd, None) // it would stay in the set until it is closed; then its events are dropped
		p.table[fd] = entry{}
	}
	p.aside = append(p.aside, closing{fd: fd, closed: closed})
	if p.ended {
		p.closeDying()
		return
	}
	p.EndTurn()
}

// Dying is the number of descriptors that Close was called for in this turn. The process
// has them until the turn ends.
func (p *Poller) Dying() int { return len(p.dying) }

func (p *Poller) closeDying() {
	for _, fd := range p.dying {
		socket.Close(fd)
	}
	p.dying = p.dying[:0]
	for _, each := range p.aside {
		p.closer.close(each)
	}
	p.aside = p.aside[:0]
}

// EndTurn asks for a call of Hooks.TurnEnd. The loop does not sleep before that call. If
// TurnEnd itself calls EndTurn, it is called again before any event; it must stop doing so
// at some point.
func (p *Poller) EndTurn() { p.turnEnds = true }

// Post runs fn on the loop goroutine, soon. The functions that one goroutine posts run in
// order. Any goroutine may call Post. It returns ErrStopped once Run has returned. After
// Stop fn may or may not run.
func (p *Poller) Post(fn func()) error { return p.mailbox.post(fn) }

// Stop makes Run return, after the functions that were posted before and the end of that
// turn. Any goroutine may call it. It returns ErrStopped once Run has returned.
func (p *Poller) Stop() error {
	return p.Post(func() {
		p.stopping = true
		p.EndTurn()
	})
}

// Run delivers events until Stop is called, then closes the set. It may be called once. It
// returns nil after Stop, or the error that ended it.
func (p *Poller) Run() error {
	err := p.deliver()
	p.ended = true
	p.mailbox.close()
	p.closeDying()
	return errors.Join(err, p.closeSet())
}

func (p *Poller) closeSet() error { return errors.Join(p.waiter.close(), p.netpoll.Close()) }

// deliver works turn by turn. What was asked for before Run is done before the first. A turn that has
// several events looks for more once: what came while these were handled can share its end.
func (p *Poller) deliver() error {
	for {
		for p.turnEnds { // no descriptor in dying has an event left
			p.turnEnds = false // first: TurnEnd may call EndTurn
			p.hooks.TurnEnd()
			p.hooks.AfterEvent()
			p.closeDying()
		}
		if p.stopping {
			return nil
		}
		p.turn++
		events, err := p.waiter.wait()
		if err != nil {
			return err
		}
		p.dispatch(events)
		if len(events) > 1 && p.turnEnds && !p.stopping {
			if events, err = p.waiter.look(); err != nil {
				return err
			}
			p.dispatch(events)
		}
	}
}

// ShareProcessor tells that other goroutines work for the loop and must not wait until it has nothing to do.
// It is to be called before Run.
func (p *Poller) ShareProcessor() { p.waiter.shared = true }

// OneOfSeveral sets this Poller up to run beside others in the process: they do not delay its events. It is
// to be called before Run.
func (p *Poller) OneOfSeveral() error { return p.waiter.leaveGoPoller() }

// Turn is the number of the turn.
func (p *Poller) Turn() uint64 { return p.turn }

// dispatch delivers events. An fd without interest lost it in this turn: it was closed, or its
// owner stopped watching it.
func (p *Poller) dispatch(events []unix.EpollEvent) {
	for i := range events {
		fd := int(events[i].Fd)
		if fd >= len(p.table) {
			continue
		}
		if e := &p.table[fd]; e.interest != None {
			e.handler.Ready(Events(events[i].Events))
			p.hooks.AfterEvent()
		}
	}
}
