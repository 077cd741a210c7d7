package daemon

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"distcache/internal/daemon/metrics"
	"distcache/internal/daemon/service"
)

// manager is the service manager, as systemd is one, that is told how the daemon does. Without
// one, all calls do nothing.
type manager struct {
	notifier *service.Notifier // nil: there is none
	failure  sync.Once
	loops    pulse
}

// newManager makes the manager of a daemon with so many loops.
func newManager(n *service.Notifier, loops int) *manager {
	m := &manager{notifier: n}
	m.loops = pulse{turned: make([]bool, loops), all: m.alive}
	return m
}

// tell logs the first failure of a message. The others have the same cause.
func (m *manager) tell(err error) {
	if err != nil {
		m.failure.Do(func() { slog.Warn("cannot notify the service manager", "reason", err) })
	}
}

func (m *manager) ready()    { m.tell(m.notifier.Ready()) }
func (m *manager) stopping() { m.tell(m.notifier.Stopping()) }
func (m *manager) alive()    { m.tell(m.notifier.Alive()) }

// reload returns fn with the messages that a reload begins and is complete.
func (m *manager) reload(fn func()) func() {
	return func() {
		m.tell(m.notifier.Reloading())
		fn()
		m.ready()
	}
}

// beatsPerFeed is how many beats of the loops' watchdogs come in the time that the service
// manager's watchdog allows. A loop may answer late, and the loops do not answer together.
const beatsPerFeed = 4

// leastBeat keeps an absurdly short watchdog from costing the loops their time.
const leastBeat = 10 * time.Millisecond

// beat is the time between two beats of the loops' watchdogs.
func (m *manager) beat() time.Duration {
	if limit := m.notifier.Watchdog(); limit > 0 {
		return min(watchBeat, max(leastBeat, limit/beatsPerFeed))
	}
	return watchBeat
}

// pulse joins the watchdogs of the loops: the process is alive when every loop is.
type pulse struct {
	mu     sync.Mutex
	turned []bool
	all    func() // called each time that every loop has turned since it was called last
}

// beat notes that loop i has turned since its last beat.
func (p *pulse) beat(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turned[i] = true
	for _, turned := range p.turned {
		if !turned {
			return
		}
	}
	clear(p.turned)
	p.all()
}

// statusPause is the least time between two status lines.
const statusPause = time.Second

// loopStatus is what one loop has to say of itself.
type loopStatus struct {
	status  metrics.Status
	clients int
}

// showStatus tells the manager of each change of the daemon's status, until quit is closed.
func (m *manager) showStatus(reactors []*reactor, quit <-chan struct{}) {
	if m.notifier == nil {
		return
	}
	pause := time.NewTicker(statusPause)
	defer pause.Stop()
	shown := ""
	for {
		all, ok := askStatus(reactors, quit)
		if !ok {
			return
		}
		if line := statusLine(all); line != shown {
			shown = line
			m.tell(m.notifier.Status(line))
		}
		select {
		case <-quit:
			return
		case <-pause.C:
		}
	}
}

// askStatus asks each loop. It reports false when a loop has ended, or quit is closed: a loop
// that hangs does not answer.
func askStatus(reactors []*reactor, quit <-chan struct{}) (all []loopStatus, ok bool) {
	for _, r := range reactors {
		answer := make(chan loopStatus, 1)
		if r.loop.Post(func() { answer <- loopStatus{r.app.Status(r.loop.Now()), r.clients.Len()} }) != nil {
			return nil, false
		}
		select {
		case s := <-answer:
			all = append(all, s)
		case <-quit:
			return nil, false
		}
	}
	return all, true
}

// statusLine is one line about all loops.
func statusLine(all []loopStatus) string {
	clients, set := 0, metrics.NewSet()
	for _, s := range all {
		clients += s.clients
		set.AddStatus(s.status)
	}
	return fmt.Sprintf("%s. Clients: %d", set.Line(), clients)
}
