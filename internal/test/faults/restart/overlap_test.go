package restart

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// instance is how a daemon is run that makes its own socket.
type instance struct {
	name string
	args []string
	// absent is the answer to a HAVE of a session that nobody added.
	absent codec.Status
}

// instances are both daemons. They share the code that is tested here: the short form of a test has one of
// them, see kit.Chosen.
func instances() []instance {
	return []instance{
		{"dc_client", []string{"-server", nowhere}, codec.StatusDisconnected},
		{"dc_server", nil, codec.StatusNotOK},
	}
}

// start runs it and gives the process, whether that is ready yet or not.
func (i instance) start(t *testing.T, at kit.Endpoint, more ...string) *kit.Process {
	t.Helper()
	args := append([]string{"-listen", at.String()}, i.args...)
	return kit.Start(t, kit.Tool(i.name), append(args, more...)...)
}

func (i instance) mustServe(t *testing.T, at kit.Endpoint) {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Have(1, "nobody's"), i.absent)
	_ = c.Close()
}

// TestV02OldLeavesTheSocketOfTheNew starts a new daemon while the old one still drains: at
// its end the old one leaves the new one's socket alone, and its pidfile.
func TestV02OldLeavesTheSocketOfTheNew(t *testing.T) {
	t.Parallel()
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			old := ready(i.start(t, at))
			slow := kit.Dial(t, at)
			slow.ExpectStatus(kit.Have(1, "nobody's"), i.absent)
			half := kit.Have(2, "nobody's")
			slow.Send(half[:10]) // the old one waits for the rest of it
			kit.Dial(t, at).ExpectStatus(kit.Have(3, "nobody's"), i.absent)
			told := time.Now()
			old.Signal(syscall.SIGTERM)
			old.WaitStderr(patience, "stopping")
			pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
			next := ready(i.start(t, at, "-pidfile", pidfile))
			if !old.Running() {
				t.Skip("this machine was too slow: the old daemon had ended before the new one was ready")
			}
			made := inode(t, at.Address)
			if err := slow.Write(half[10:]); err != nil && time.Since(told) > drainTime/2 {
				t.Skip("this machine was too slow: the old daemon had drained before it got the rest")
			}
			if m, err := slow.ReadMessage(); err != nil && time.Since(told) > drainTime/2 {
				t.Skip("this machine was too slow: the old daemon had drained before it answered")
			} else if status, statusErr := codec.ParseStatus(m); err != nil || m.UID != 2 || statusErr != nil || status != i.absent {
				t.Errorf("got %v of %#x, %v, want %v for 2", status, m.UID, err, i.absent)
			}
			if code := old.Exit(patience); code != 0 {
				t.Errorf("got exit code %d of the old daemon, want 0", code)
			}
			if now := inode(t, at.Address); now != made || made == 0 {
				t.Errorf("got file %d at the path, want %d, which the new daemon made", now, made)
			}
			i.mustServe(t, at)
			mustEnd(t, next)
		})
	}
}

// TestV02NobodyComesBetweenLookAndRemoval holds the old daemon still, by strace, when it has
// seen that the file at the path is its own and is about to remove it. The new one must not
// get its own file there before that is done.
func TestV02NobodyComesBetweenLookAndRemoval(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("to hold a daemon at a system call needs root, and strace(1)")
	}
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			args := append([]string{"-qq", "-f", "-o", "/dev/null", "-e", "trace=unlinkat", "-e", "inject=unlinkat:delay_enter=500ms",
				kit.Tool(i.name), "-listen", at.String()}, i.args...)
			old := ready(kit.Start(t, strace, args...))
			pid := loggedPID(t, old)
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			kit.Wait(t, patience, "removal", func() bool { return inCall(pid, unix.SYS_UNLINKAT) })
			next := ready(i.start(t, at))
			if code := old.Exit(patience); code != 0 {
				t.Errorf("got exit code %d of the old daemon, want 0", code)
			}
			if inode(t, at.Address) == 0 {
				t.Fatal("got no file at the path, want that of the new daemon")
			}
			i.mustServe(t, at)
			mustEnd(t, next)
		})
	}
}

// loggedPID is the process ID in the line that tells that a daemon is ready.
func loggedPID(t *testing.T, p *kit.Process) int {
	t.Helper()
	_, rest, _ := strings.Cut(p.Stderr(), " pid=")
	digits, _, _ := strings.Cut(rest, " ")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("got %q, want a line with the process ID", p.Stderr())
	}
	return pid
}

// inCall reports whether a thread of that process is held in the system call of that number.
func inCall(pid, number int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	return err == nil && slices.ContainsFunc(threads, func(path string) bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.HasPrefix(string(text), strconv.Itoa(number)+" ")
	})
}

// TestV02RacedReplacement ends a daemon and starts the next at about the same time, at random,
// and repeats the start until it has the socket. In the end the new daemon serves, whatever the
// old one has removed.
func TestV02RacedReplacement(t *testing.T) {
	t.Parallel()
	rounds := atFull(20, 5)
	random := kit.Random(t)
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			seed := rand.New(rand.NewPCG(uint64(random.Int64()), 0))
			old := ready(i.start(t, at))
			for range rounds {
				i.mustServe(t, at)
				old.Signal(syscall.SIGTERM)
				time.Sleep(time.Duration(seed.IntN(3000)) * time.Microsecond)
				next := i.take(t, at)
				if code := old.Exit(patience); code != 0 {
					t.Errorf("got exit code %d of the old daemon, want 0", code)
				}
				i.mustServe(t, at)
				old = next
			}
			mustEnd(t, old)
		})
	}
}

// take starts the daemon until it is not told that the socket is in use.
func (i instance) take(t *testing.T, at kit.Endpoint) *kit.Process {
	t.Helper()
	var p *kit.Process
	kit.Wait(t, patience, "start", func() bool {
		p = i.start(t, at)
		up := false
		kit.Within(patience, func() bool {
			up = contains(p.Stderr(), " ready ")
			return up || !p.Running()
		})
		if !up && !contains(p.Stderr(), "another process listens there", "another file has replaced the socket file") {
			t.Fatalf("got stderr %q, want it to start or find the socket in use", p.Stderr())
		}
		return up
	})
	return p
}

// drainTime is how long a daemon that ends waits for what its clients are sending.
const drainTime = time.Second

// lameDuckLimit is the drain time of a daemon and the rest (100 ms), and what a busy
// machine adds.
const lameDuckLimit = 5 * time.Second

// TestV03PersistentClientsMoveOver upgrades a dc_client while its clients keep connections and
// ask all the time. The old one answers the requests that it has taken, then closes between
// requests. The clients connect to the new one.
func TestV03PersistentClientsMoveOver(t *testing.T) {
	t.Parallel()
	const clients = 20
	upgrades := atFull(3, 1)
	_, server := kit.NewRig(t).Server()
	s := supervise(t, kit.Unix(t), "dc_client", "-server", server.String(), "-timeout", "10000")
	old := ready(s.run())
	talk := startTalk(s.at, clients)
	for range upgrades {
		talk.mustGoOn(t, 20*clients)
		next := ready(s.run())
		began := time.Now()
		mustEnd(t, old)
		if took := time.Since(began); took > lameDuckLimit {
			kit.TooSlow(t, "got the end after %v, want it within %v", took, lameDuckLimit)
		}
		old = next
		talk.mustGoOn(t, 20*clients)
	}
	talk.mustEnd(t)
	if got, want := talk.moved.Load(), int64(clients); got < want {
		t.Errorf("got %d clients that moved over, want %d at least", got, want)
	}
}

// startTalk starts clients that keep their connections.
func startTalk(at kit.Endpoint, clients int) *crowd {
	c := &crowd{at: at, quit: make(chan struct{}), lost: make(chan error, clients)}
	for n := range clients {
		c.running.Go(func() {
			uid := uint32(n) << 20
			for {
				again, err := c.converse(&uid)
				if err != nil {
					c.lost <- err
				}
				if err != nil || !again {
					return
				}
				c.moved.Add(1)
			}
		})
	}
	return c
}

// converse asks over one connection until that ends between two requests; again tells that
// it did. A request that was sent whole and gets no answer is an error.
func (c *crowd) converse(uid *uint32) (again bool, err error) {
	conn, err := kit.Connect(c.at)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(patience)
	for ; ; *uid++ {
		select {
		case <-c.quit:
			return false, nil
		default:
		}
		if err := conn.Write(kit.Have(*uid, "nobody's")); err != nil {
			return true, nil // told before it was sent
		}
		m, err := conn.ReadMessage()
		if err != nil || m.UID != *uid {
			return false, errors.Join(err, errNoAnswer)
		}
		c.answered.Add(1)
	}
}

var errNoAnswer = errors.New("a request that was sent got no answer of its own")
