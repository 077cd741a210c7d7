package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/engine/poll/gnetenv"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/service"
)

const (
	// otherDescriptors is how many the process needs beside its clients' with one event
	// loop, and loopDescriptors how many each further loop takes.
	otherDescriptors = 64
	loopDescriptors  = 16
	// logFlush is how long the last log lines may take to be written at exit.
	logFlush = 500 * time.Millisecond
)

// App is what one of the daemons does. Its methods are called on the loop goroutine,
// in this order.
type App interface {
	// Open makes what serves the clients, schedules it on the loop, and returns the handler
	// of the clients' events. pool is for requests that are not whole.
	Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) (engine.Handler, error)
	// Start is called when the daemon is set up and its privileges are dropped.
	Start(now time.Duration)
	// Busy is the number of clients that an orderly end should wait for.
	Busy() int
	// Stop answers what is still open.
	Stop(now time.Duration)
	// Close frees what Open made. The loop has ended.
	Close() error
}

// Config is what a daemon is started with.
type Config struct {
	Program    string
	Flags      Flags
	MaxClients int // connections at a time
	Loops      int // event loops; 0 is 1
	PoolBytes  int // memory for what clients have not finished to send, and as much for what they have not read
	Memory     Memory
}

func (c Config) loops() int { return max(1, c.Loops) }

// Run is a daemon from its parsed command line on, with an App of newApp for each of
// its event loops. It returns the exit code.
func Run(c Config, newApp func() App, parent *service.Parent, stderr io.Writer) int {
	if c.Flags.Daemon && parent == nil {
		return detach(c, stderr)
	}
	signals := service.CatchSignals(c.Flags.Killable)
	defer signals.Close()
	log, logWarning := logging.Open(logging.Config{Program: c.Program, Stderr: stderr, Syslog: parent != nil})
	defer log.Close(logFlush)
	slog.SetDefault(log.Logger)

	d := &running{config: c, newApp: newApp, log: log, signals: signals}
	d.warn(logWarning)
	for _, name := range gnetenv.Removed() {
		d.warn("the environment variable " + name + " has no effect here")
	}
	if err := d.start(parent); err != nil {
		parent.Fail(err)
		log.Flush(logFlush)
		fmt.Fprintf(stderr, "%s: %v\n", c.Program, err)
		d.cleanUp()
		return 1
	}
	return d.serve()
}

// detach judges what can be judged here, where the person who types sees it.
func detach(c Config, stderr io.Writer) int {
	if c.Flags.User != "" {
		if _, err := service.LookupUser(c.Flags.User); err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", c.Program, err)
			return 1
		}
	}
	return service.Detach(stderr, c.Flags.passed()...)
}

// running is a daemon that is being started, runs, or ends.
type running struct {
	config   Config
	newApp   func() App
	log      *logging.Log
	signals  *service.Signals
	warnings []string

	reactors []*reactor
	socket   *listen.Socket
	pidfile  *service.Pidfile
}

func (d *running) flushLog() { d.log.Flush(logFlush) }

func (d *running) warn(texts ...string) {
	for _, text := range texts {
		if text != "" {
			d.warnings = append(d.warnings, text)
			slog.Warn(text)
		}
	}
}

// start takes the steps in the order that the man page gives.
func (d *running) start(parent *service.Parent) error {
	steps := []func() error{d.limitClients, d.open, d.listen, d.writePidfile, d.dropPrivileges, d.accept}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return parent.Ready(d.warnings...)
}

func (d *running) limitClients() error {
	warning, err := d.config.fitDescriptors()
	d.warn(warning)
	return err
}

func (d *running) open() error {
	tuneRuntime(d.config.loops())
	reserveThreads(d.config.loops())
	total := new(atomic.Int64)
	for range d.config.loops() {
		r, err := newReactor(d.newApp(), d.config.PoolBytes/d.config.loops(), total)
		if err != nil {
			return err
		}
		r.flushLog = d.flushLog
		d.reactors = append(d.reactors, r)
	}
	return nil
}

func (d *running) listen() error {
	socket, err := listen.Open(d.config.Flags.Listen, d.config.Flags.Socket)
	if err != nil {
		return err
	}
	d.socket = socket
	d.reactors[0].pulse = (&socketWatch{check: socket.Check}).look
	d.warn(socket.Warnings...)
	return nil
}

func (d *running) writePidfile() (err error) {
	if d.config.Flags.Pidfile != "" {
		d.pidfile, err = service.WritePidfile(d.config.Flags.Pidfile)
	}
	return err
}

func (d *running) dropPrivileges() error {
	if d.config.Flags.User == "" {
		return service.ForbidDumps() // sessions are secrets
	}
	user, err := service.LookupUser(d.config.Flags.User)
	if err != nil {
		return err
	}
	warnings, err := user.Drop()
	d.warn(warnings...)
	return err
}

func (d *running) accept() error {
	for i, r := range d.reactors {
		fd, err := ownDescriptor(i, d.socket.FD)
		if err != nil {
			return err
		}
		if err := r.accept(fd, d.config.Flags.Listen.Kind, d.config.MaxClients, len(d.reactors) > 1); err != nil {
			return err
		}
	}
	return nil
}

// serve runs the loops until a signal ends it.
func (d *running) serve() int {
	bound := d.config.boundMemory()
	slog.Info("ready", "listen", d.socket.Addr(), "pid", os.Getpid(),
		"maxclients", d.config.MaxClients, "memory_bound_mib", mebibytes(bound))
	d.signals.Handle(service.Handlers{
		Stop:   d.stop,
		Abort:  func() { os.Exit(1) },
		Reload: func() { slog.Info("SIGHUP: nothing to reload") },
	})
	code := 0
	if err := run(d.reactors); err != nil {
		slog.Error("the event loop failed", "reason", err)
		code = 1
	}
	d.cleanUp()
	return code
}

// stop begins the orderly end of each reactor.
func (d *running) stop() {
	for _, r := range d.reactors {
		_ = r.loop.Post(r.drain) // a loop that has ended is what is asked for
	}
}

// cleanUp removes what the start made. What cannot be removed is named and left.
func (d *running) cleanUp() {
	if d.socket != nil {
		d.complain(d.socket.Unlink())
	}
	if d.pidfile != nil {
		d.complain(d.pidfile.Remove())
	}
	for _, r := range d.reactors {
		d.complain(r.app.Close())
	}
}

func (d *running) complain(err error) {
	if err != nil {
		slog.Warn("not cleaned up", "reason", err)
	}
}
