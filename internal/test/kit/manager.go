package kit

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Manager plays the service manager of sd_notify(3): it keeps what daemons tell it.
type Manager struct {
	t    testing.TB
	path string

	mu   sync.Mutex
	told []string  // one for each message
	fed  time.Time // when WATCHDOG=1 came last
}

// alive is the message that feeds the manager's watchdog.
const alive = "WATCHDOG=1"

// NewManager listens until the test ends.
func NewManager(t testing.TB) *Manager {
	t.Helper()
	m := &Manager{t: t, path: filepath.Join(SocketDir(t), "notify")}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { m.read(socket) })
	t.Cleanup(func() {
		_ = socket.Close()
		reading.Wait()
	})
	return m
}

func (m *Manager) read(socket *net.UnixConn) {
	b := make([]byte, 4096)
	for {
		n, err := socket.Read(b)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.told = append(m.told, string(b[:n]))
		if string(b[:n]) == alive {
			m.fed = time.Now()
		}
		m.mu.Unlock()
	}
}

// Env is what a process needs in its environment to tell this manager. watchdog is the time
// that it has from one WATCHDOG=1 to the next, or 0.
func (m *Manager) Env(watchdog time.Duration) []string {
	env := []string{"NOTIFY_SOCKET=" + m.path}
	if watchdog > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	return env
}

// Told gives the messages so far, but for WATCHDOG=1.
func (m *Manager) Told() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []string
	for _, message := range m.told {
		if message != alive {
			rest = append(rest, message)
		}
	}
	return rest
}

// Fed is how often WATCHDOG=1 came.
func (m *Manager) Fed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, message := range m.told {
		if message == alive {
			n++
		}
	}
	return n
}

// Silence is the time since WATCHDOG=1 came last.
func (m *Manager) Silence() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.fed)
}

// Wait waits for a message with text in it.
func (m *Manager) Wait(text string) {
	m.t.Helper()
	if !Within(Patience, func() bool { return strings.Contains(strings.Join(m.Told(), "\n"), text) }) {
		m.t.Fatalf("got messages %q, want one with %q", m.Told(), text)
	}
}
