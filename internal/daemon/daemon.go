package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/engine/poll/gnetenv"
	"distcache/engine/socket"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/metrics"
	"distcache/internal/daemon/service"
)

// logFlush is how long the last log lines may take to be written at exit.
const logFlush = 500 * time.Millisecond

// App is the work of one of the daemons. Its methods are called on the loop goroutine,
// in this order.
type App interface {
	// Open makes what serves the clients, schedules it on the loop, and returns the handlers
	// of the clients' events: of those of -listen, and of each of Config.Doors. pool is for
	// requests that are not whole.
	Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) ([]engine.Handler, error)
	// Start is called when the daemon is set up and its privileges are dropped.
	Start(now time.Duration)
	// Reload is called for each SIGHUP between Start and the end.
	Reload(now time.Duration)
	// Busy is the number of clients that an orderly end should wait for.
	Busy() int
	// Status is what the status page and a service manager show first.
	Status(now time.Duration) metrics.Status
	// Snapshot copies the figures.
	Snapshot(now time.Duration) metrics.Source
	// Stop answers the requests that are still open.
	Stop(now time.Duration)
	// Close frees the memory of Open. The loop has ended.
	Close() error
}

// Config holds the settings of a daemon.
type Config struct {
	Program    string
	Flags      Flags
	Doors      []Door // where clients connect that speak other protocols
	MaxClients int    // connections at a time
	Loops      int    // event loops; 0 is 1
	Upstreams  int    // connections of each loop to other daemons; 0 is 1
	Helpers    bool   // goroutines beside the loops have work all the time: they get a processor
	PoolBytes  int    // memory for requests that are not whole, and as much again for answers that are not read
	Memory     Memory
	Limit      service.MemoryLimit // a bound of memory beyond it gives a warning
	Ready      []any               // further keys and values of the line “ready”
	Warnings   []string            // of the App's own flags, for the start and -check
	// Check tells -check what else would keep a start from succeeding; nil: nothing would.
	// It changes nothing that outlives the process.
	Check func() (warnings []string, err error)
	// Reload reads anew what may change while the daemon runs, at each SIGHUP, off the loops; nil: there is nothing.
	// It reports whether that is in force now.
	Reload func() bool
	// Settings are the values of all flags at the start (options.Set.Texts), and Reread reads them anew, at each
	// SIGHUP; nil: there is no -config.
	Settings map[string]string
	Reread   func() (*Reread, error)
	// CertificateExpires tells when the TLS certificate in force expires; nil: there is none.
	CertificateExpires func() time.Time
	// Handover passes memory to the next process; nil: it ends with this one.
	Handover *Handover
	// Show is what the status page plots, and the mistakes of a site to look for.
	Show metrics.Plan

	inherited int // descriptors that were open at the start; inspect counts them
}

func (c Config) loops() int { return max(1, c.Loops) }

// processors is how many the Go runtime uses.
func (c Config) processors() int {
	if c.Helpers {
		return c.loops() + 1
	}
	return c.loops()
}

// Run runs a daemon until it ends, with an App of newApp for each of its event loops. It
// returns the exit code.
func Run(c Config, newApp func() App, parent *service.Parent, stderr io.Writer) int {
	if c.Flags.Daemon && parent == nil {
		return detach(c, stderr)
	}
	signals := service.CatchSignals(c.Flags.Killable)
	defer signals.Close()
	level := new(slog.LevelVar)
	level.Set(c.Flags.Log.Level)
	log, logWarning := logging.Open(logging.Config{Program: c.Program, Stderr: stderr, Syslog: parent != nil,
		Level: level, Format: c.Flags.Log.Format})
	slog.SetDefault(log.Logger)

	notifier, notifierWarning := service.FindNotifier()
	d := &running{config: c, newApp: newApp, log: log, level: level, signals: signals, manager: newManager(notifier, c.loops()),
		sockets: sockets{quit: make(chan struct{})}}
	d.warn(logWarning, notifierWarning)
	for _, name := range gnetenv.Removed() {
		d.warn("environment variable " + name + " has no effect on this program")
	}
	if err := d.start(parent); err != nil {
		d.cleanUp() // first: no one may read what follows
		parent.Fail(err)
		log.Close(logFlush)
		service.Complain(stderr, err)
		return 1
	}
	defer log.Close(logFlush)
	return d.serve()
}

// detach starts the daemon in the background. A bad -user is reported before that.
func detach(c Config, stderr io.Writer) int {
	if c.Flags.User != "" {
		if _, err := service.LookupUser(c.Flags.User); err != nil {
			service.Complain(stderr, err)
			return 1
		}
	}
	return service.Detach(stderr, append(c.Flags.passed(), listen.Stored()...)...)
}

// running is a daemon that starts, runs or ends.
type running struct {
	config   Config
	newApp   func() App
	log      *logging.Log
	level    *slog.LevelVar // of log
	signals  *service.Signals
	manager  *manager
	warnings []string

	plan     *plan // nil until it is made
	reactors []*reactor
	sockets  sockets
	access   atomic.Pointer[socket.Access] // who may connect to unix sockets; nil: all
	figures  *figures
	web      *webServer // nil: none

	stopping  sync.Once // by a signal or by the next process
	filesGone sync.Once // by the end of the loops or by a second signal
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

// start inspects and then carries out the plan. Steps that need privileges come before
// these are dropped, and clients are accepted last.
func (d *running) start(parent *service.Parent) (err error) {
	stored := listen.Stored() // inspect forgets what systemd has passed
	if d.plan, err = d.config.inspect(); err != nil {
		return err
	}
	d.warn(d.plan.warnings...)
	d.access.Store(d.plan.access)
	d.takeOver(stored)
	for _, step := range []func() error{d.open, d.listen, d.listenWeb, d.listenKeep, d.writePidfile, d.dropPrivileges, d.acceptAll} {
		if err := step(); err != nil {
			return err
		}
	}
	return parent.Ready(d.warnings...)
}

func (d *running) open() error {
	tuneRuntime(d.config.processors())
	reserveThreads(d.config.loops())
	total := new(atomic.Int64)
	for i := range d.config.loops() {
		r, err := newReactor(d.newApp(), d.config.PoolBytes/d.config.loops(), total)
		if err != nil {
			return err
		}
		if d.config.loops() > 1 {
			if err := r.loop.OneOfSeveral(); err != nil {
				return err
			}
		}
		r.flushLog, r.beat, r.alive = d.flushLog, d.manager.beat(), func() { d.manager.loops.beat(i) }
		d.reactors = append(d.reactors, r)
	}
	d.figures = newFigures(&d.config, d.reactors, d.log)
	return nil
}

func (d *running) listen() error {
	for _, p := range d.plan.listen {
		opened, err := p.Open()
		if err != nil {
			return err
		}
		d.sockets.all = append(d.sockets.all, opened)
		d.warn(opened.Warnings...)
	}
	return nil
}

func (d *running) writePidfile() error {
	if d.plan.pidfile == nil {
		return nil
	}
	return d.plan.pidfile.Write()
}

func (d *running) dropPrivileges() error {
	if d.plan.user != nil {
		warnings, err := d.plan.user.Drop()
		d.warn(warnings...)
		if err != nil {
			return err
		}
	}
	if d.config.Flags.Dumpable {
		return service.AllowDumps()
	}
	return service.ForbidDumps() // sessions are secrets
}

func (d *running) acceptAll() error {
	for n, socket := range d.sockets.all {
		fds, err := share(socket, len(d.reactors))
		if err != nil {
			return fmt.Errorf("cannot share the listening socket between loops: %w", err)
		}
		for i, r := range d.reactors {
			a, err := d.newAcceptor(r, fds[i], n, socket)
			if err != nil {
				return err
			}
			r.acceptors = append(r.acceptors, a)
		}
	}
	return nil
}

// serve runs the loops until a signal ends it.
func (d *running) serve() int {
	bound := d.config.boundMemory()
	var about []any
	for n, socket := range d.sockets.all {
		about = append(about, d.plan.flagOf(n), socket.Addr())
	}
	if d.web != nil {
		about = append(about, "metrics", d.web.socket.Addr())
	}
	about = append(about, "pid", os.Getpid(), "maxclients", d.config.MaxClients, "memory_bound_mib", Mebibytes(bound),
		"kernel_bound_mib", Mebibytes(d.config.kernelMemory(readSysctl).bytes()), "memory_limit_mib", d.config.Limit.Bytes>>20)
	slog.Info("ready", append(about, d.config.Ready...)...)
	alarm, _ := service.NewAlarm(stuckAfter, alarmAgain) // best effort: a last resort, where it is permitted
	for _, r := range d.reactors {
		r.alarm = alarm
	}
	d.sockets.watch(d.renew)
	d.signals.Handle(service.Handlers{
		Stop:   d.stop,
		Abort:  d.abort,
		Reload: d.manager.reload(d.reload),
		Report: d.figures.log,
	})
	d.manager.ready()
	quit := make(chan struct{})
	go d.manager.showStatus(d.reactors, quit)
	go d.figures.monitor.Run(quit)
	d.web.serve(d.figures.monitor)
	code := 0
	if err := run(d.reactors); err != nil {
		slog.Error("the event loop failed", "reason", err)
		code = 1
	}
	close(quit)
	d.web.close()
	d.figures.logLast()
	d.cleanUp()
	return code
}

// stop begins the orderly end of each reactor.
func (d *running) stop() {
	d.stopping.Do(func() {
		d.manager.stopping()
		d.sockets.stopWatching()
		for _, r := range d.reactors {
			_ = r.loop.Post(r.drain) // an error means that the loop has ended already
		}
	})
}

// reload reads anew what can have changed, and lets each App do so.
func (d *running) reload() {
	switch {
	case d.config.Reread != nil:
		d.reread()
	case d.config.Reload != nil:
		d.config.Reload()
	}
	for _, r := range d.reactors {
		_ = r.loop.Post(func() { r.app.Reload(r.loop.Now()) }) // an error means that the loop has ended already
	}
}

// abort ends the process at once, on a second signal. It waits for no client, but leaves no
// file behind and loses no line of the log.
func (d *running) abort() {
	d.filesGone.Do(d.removeFiles)
	d.flushLog()
	os.Exit(1)
}

// removeFiles removes the files of the start. It logs and leaves those that it cannot remove.
func (d *running) removeFiles() {
	for _, err := range d.sockets.end() {
		d.complain(err)
	}
	d.complain(d.web.unlink())
	d.complain(d.config.Handover.unlink())
	if d.plan != nil && d.plan.pidfile != nil {
		d.complain(d.plan.pidfile.Remove())
	}
}

// cleanUp undoes the start.
func (d *running) cleanUp() {
	d.filesGone.Do(d.removeFiles)
	if d.plan != nil {
		d.plan.close()
	}
	for _, r := range d.reactors {
		d.complain(r.app.Close())
	}
}

func (d *running) complain(err error) {
	if err != nil {
		slog.Warn("cleanup failed", "reason", err)
	}
}
