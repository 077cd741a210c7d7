package service

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals catches the signals of a daemon:
//
//	SIGTERM, SIGINT     the first: stop gracefully; each later one: at once
//	SIGUSR1             report; with -killable: stop, as SIGTERM
//	SIGUSR2             ignored; with -killable: stop, as SIGTERM
//	SIGHUP              reload
//	SIGPIPE, SIGQUIT    ignored, so that a closed stdout or a stray key does no harm
//
// From CatchSignals on none of them ends the process by itself. Until Handle they are kept: a start that is interrupted
// completes and is then undone in order.
type Signals struct {
	stop   chan os.Signal // room for the first and the second; more add nothing
	hangup chan os.Signal // room for one; a reload serves all that came before it
	report chan os.Signal // likewise
	quit   chan struct{}
	done   chan struct{} // nil before Handle
}

// Handlers are called one at a time on a goroutine of Signals, so they must not block for long. Each is required.
type Handlers struct {
	Stop   func() // stop gracefully
	Abort  func() // end at once, exit code 1
	Reload func()
	Report func() // tell what the daemon does
}

// CatchSignals begins to catch signals. Call it before anything is created that a stop must remove.
func CatchSignals(killable bool) *Signals {
	s := &Signals{
		stop:   make(chan os.Signal, 2),
		hangup: make(chan os.Signal, 1),
		report: make(chan os.Signal, 1),
		quit:   make(chan struct{}),
	}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGQUIT)
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangup, syscall.SIGHUP)
	if killable {
		signal.Notify(s.stop, syscall.SIGUSR1, syscall.SIGUSR2)
	} else {
		signal.Notify(s.report, syscall.SIGUSR1)
		signal.Ignore(syscall.SIGUSR2)
	}
	return s
}

// Handle delivers the signals to h, those that were kept first. Call it once.
func (s *Signals) Handle(h Handlers) {
	s.done = make(chan struct{})
	go s.deliver(h)
}

func (s *Signals) deliver(h Handlers) {
	defer close(s.done)
	stop := h.Stop
	for {
		select {
		case <-s.stop:
			stop()
			stop = h.Abort
		case <-s.hangup:
			h.Reload()
		case <-s.report:
			h.Report()
		case <-s.quit:
			return
		}
	}
}

// Close ends the delivery; no handler runs afterwards. It must not be called by a handler. SIGTERM, SIGINT and
// SIGHUP have their default effect from then on, so call it last; ignored signals stay ignored, and SIGUSR1 becomes so.
func (s *Signals) Close() {
	signal.Ignore(syscall.SIGUSR1)
	signal.Stop(s.report)
	signal.Stop(s.stop)
	signal.Stop(s.hangup)
	close(s.quit)
	if s.done != nil {
		<-s.done
	}
}
