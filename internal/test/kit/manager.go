package kit

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Manager plays the service manager of sd_notify(3): it keeps what daemons tell it.
type Manager struct {
	t    testing.TB
	path string

	mu     sync.Mutex
	told   []string  // one for each message
	fed    time.Time // when WATCHDOG=1 came last
	stored []*os.File
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
	b, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		n, nRights, _, _, err := socket.ReadMsgUnix(b, rights)
		if err != nil {
			return
		}
		m.mu.Lock()
		message := string(b[:n])
		m.told = append(m.told, message)
		switch {
		case message == alive:
			m.fed = time.Now()
		case strings.HasPrefix(message, "FDSTORE=1"):
			m.stored = append(m.stored, descriptorsIn(rights[:nRights])...)
		case strings.HasPrefix(message, "FDSTOREREMOVE=1"):
			m.stored = nil // each test has one name
		}
		m.mu.Unlock()
	}
}

// descriptorsIn are those of a control message.
func descriptorsIn(rights []byte) (files []*os.File) {
	messages, _ := unix.ParseSocketControlMessage(rights)
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "stored"))
		}
	}
	return files
}

// Stored gives the descriptors that it was given to keep (FDSTORE=1).
func (m *Manager) Stored() []*os.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.stored)
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
