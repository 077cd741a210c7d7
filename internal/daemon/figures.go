package daemon

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/metrics"
	"distcache/internal/version"
)

// figures gathers the figures of all loops. Its methods may be called by any goroutine but the
// loops'.
type figures struct {
	config   *Config
	reactors []*reactor
	monitor  *metrics.Monitor
	lines    *logging.Log
	logging  atomic.Bool // a line of figures is being made

	mu    sync.Mutex
	last  []*loopCopy // of each loop: what it told last
	ended bool        // the loops have, and last is what they counted
}

func newFigures(c *Config, reactors []*reactor, l *logging.Log) *figures {
	f := &figures{config: c, reactors: reactors, lines: l, last: make([]*loopCopy, len(reactors))}
	f.monitor = metrics.NewMonitor(c.Show, f.gather)
	return f
}

// log logs one line with the figures that matter, on SIGUSR1. It does not wait for them.
func (f *figures) log() {
	if f.logging.Swap(true) {
		return
	}
	go func() {
		defer f.logging.Store(false)
		slog.Info("figures", f.monitor.Line()...)
	}()
}

// logLast logs the same line once the loops have ended.
func (f *figures) logLast() {
	f.mu.Lock()
	for i, r := range f.reactors {
		f.last[i] = r.copyFigures(i)
	}
	f.ended = true
	f.mu.Unlock()
	slog.Info("stopped", f.monitor.LastLine()...)
}

// loopCopy is a copy of the counters of one loop.
type loopCopy struct {
	loop    int
	answers bool // it came in time
	now     time.Duration
	clients int
	busy    int
	refused uint64 // all of them
	full    uint64 // of these, over the client limit
	tls     uint64 // clients whose handshake failed, which are not among refused
	denied  uint64 // clients that -allowuser and -allowgroup do not name; likewise
	peers   map[netip.Addr]int
	others  int // clients beside those of peers
	app     metrics.Source
}

const (
	// peersLooked is how many clients are asked for their address, with a system call each, and
	// peersShown how many addresses are told apart: one for each dc_client, mostly.
	peersLooked = 256
	peersShown  = 64
)

// copyFigures copies the counters. It runs on the loop, or after its end.
func (r *reactor) copyFigures(i int) *loopCopy {
	now := r.loop.Now()
	c := &loopCopy{loop: i, answers: true, now: now, clients: r.clients.Len(), busy: r.app.Busy(), tls: r.clients.Refused(),
		app: r.app.Snapshot(now)}
	for _, a := range r.acceptors {
		c.refused += a.listener.Refused
		c.full += a.listener.Full
		c.denied += a.listener.Denied
		if a.socket.Kind() != address.Unix && c.peers == nil {
			c.peers, c.others = r.clients.Peers(peersLooked)
		}
	}
	return c
}

// gather asks each loop for a copy, and waits at most so long. Of a loop that does not answer the
// last copy counts, so that no total falls.
func (f *figures) gather(within time.Duration) *metrics.Set {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return f.set()
	}
	copies := make(chan *loopCopy, len(f.reactors)) // with room for all: a late loop does not wait
	asked := 0
	for i, r := range f.reactors {
		if r.loop.Post(func() { copies <- r.copyFigures(i) }) == nil {
			asked++
		}
	}
	for _, c := range f.last {
		if c != nil {
			c.answers = false
		}
	}
	patience := time.NewTimer(within)
	defer patience.Stop()
	for ; asked > 0; asked-- {
		select {
		case c := <-copies:
			f.last[c.loop] = c
		case <-patience.C:
			asked = 1 // the loop ends
		}
	}
	return f.set()
}

// set reads the last copies.
func (f *figures) set() *metrics.Set {
	set := metrics.NewSet()
	about := process{config: f.config, loops: len(f.reactors)}
	about.levels, about.lost = f.lines.Counts()
	for i, c := range f.last {
		if c == nil || !c.answers {
			set.AddStatus(metrics.Status{Text: fmt.Sprintf("event loop %d does not answer", i)})
		}
		if c == nil {
			continue
		}
		about.uptime = max(about.uptime, c.now)
	}
	metrics.Collect(set, processFigures, &about)
	for _, c := range f.last {
		if c != nil {
			metrics.Collect(set, loopFigures, c)
			c.app.Collect(set)
		}
	}
	return set
}

// process is what the figures of the process are read from.
type process struct {
	config *Config
	loops  int
	uptime time.Duration
	levels map[slog.Level]uint64
	lost   uint64
}

// Figures describes the figures that both daemons have.
func Figures() []metrics.Description {
	return append(metrics.Describe(processFigures), metrics.Describe(loopFigures)...)
}

var processFigures = []metrics.Figure[process]{
	{Description: metrics.Description{Name: "distcache_build_info", Kind: metrics.Gauge, Labels: []string{"program", "version", "go"},
		Help: "1, with the program and its version"},
		Read: func(p *process, put metrics.Put) { put(1, p.config.Program, version.Version(), runtime.Version()) }},
	{Description: metrics.Description{Name: metrics.Uptime, Kind: metrics.Gauge, Unit: metrics.Seconds, Line: "uptime",
		Help: "Time since the start"},
		Read: func(p *process, put metrics.Put) { put(p.uptime.Seconds()) }},
	{Description: metrics.Description{Name: metrics.Loops, Kind: metrics.Gauge,
		Help: "Event loops (-loops)"},
		Read: func(p *process, put metrics.Put) { put(float64(p.loops)) }},
	{Description: metrics.Description{Name: "distcache_clients_max", Kind: metrics.Gauge,
		Help: "Limit of connected clients (-maxclients)"},
		Read: func(p *process, put metrics.Put) { put(float64(p.config.MaxClients)) }},
	{Description: metrics.Description{Name: "distcache_memory_bound_bytes", Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Bound of the resident memory that follows from the flags"},
		Read: func(p *process, put metrics.Put) { put(float64(p.config.MemoryBound())) }},
	{Description: metrics.Description{Name: "distcache_certificate_left_seconds", Kind: metrics.Gauge, Unit: metrics.Seconds,
		Help: "Time until the TLS certificate in force expires (-tlscert)"},
		Read: func(p *process, put metrics.Put) {
			if p.config.CertificateExpires == nil {
				return
			}
			if at := p.config.CertificateExpires(); !at.IsZero() {
				put(time.Until(at).Seconds())
			}
		}},
	{Description: metrics.Description{Name: "distcache_log_lines_total", Kind: metrics.Counter, Labels: []string{"level"},
		Help: "Lines logged"},
		Read: func(p *process, put metrics.Put) {
			for _, level := range []slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				put(float64(p.levels[level]), level.String())
			}
		}},
	{Description: metrics.Description{Name: "distcache_log_lines_lost_total", Kind: metrics.Counter,
		Help: "Log lines that were dropped because stderr or syslog did not take them"},
		Read: func(p *process, put metrics.Put) { put(float64(p.lost)) }},
}

var loopFigures = []metrics.Figure[loopCopy]{
	{Description: metrics.Description{Name: metrics.LoopAnswers, Kind: metrics.Gauge, Unit: metrics.Yes, Labels: []string{"loop"},
		Help: "1 where the event loop answered within a second; of one that did not, the figures are those of its last answer"},
		Read: func(c *loopCopy, put metrics.Put) {
			value := 0.0
			if c.answers {
				value = 1
			}
			put(value, strconv.Itoa(c.loop))
		}},
	{Description: metrics.Description{Name: metrics.Clients, Kind: metrics.Gauge, Line: "clients",
		Help: "Connected clients"},
		Read: func(c *loopCopy, put metrics.Put) { put(float64(c.clients)) }},
	{Description: metrics.Description{Name: "distcache_clients_busy", Kind: metrics.Gauge,
		Help: "Clients with a request that is not whole or not answered, or with an answer that is not read"},
		Read: func(c *loopCopy, put metrics.Put) { put(float64(c.busy)) }},
	{Description: metrics.Description{Name: "distcache_clients_refused_total", Kind: metrics.Counter, Labels: []string{"reason"}, Line: "refused",
		Help: "Connections closed at once: over -maxclients (limit), descriptors, memory or places for TLS used up (resources), TLS handshake failed (tls), or not named by -allowuser and -allowgroup (not-allowed)"},
		Read: func(c *loopCopy, put metrics.Put) {
			put(float64(c.full), "limit")
			put(float64(c.refused-c.full), "resources")
			put(float64(c.tls), "tls")
			put(float64(c.denied), "not-allowed")
		}},
	{Description: metrics.Description{Name: "distcache_peers", Kind: metrics.Gauge, Labels: []string{"address"},
		Help: "Connected clients by IP address, where -listen has a TCP address; of many clients the first 256, the rest as other"},
		Read: readPeers},
}

func readPeers(c *loopCopy, put metrics.Put) {
	others, shown := c.others, 0
	for ip, n := range c.peers {
		if shown++; shown > peersShown {
			others += n
			continue
		}
		put(float64(n), ip.String())
	}
	if others > 0 {
		put(float64(others), "other")
	}
}
