package process

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// starts is how many starts an attacker gets to meet.
func starts() int {
	if kit.Full() {
		return 1000
	}
	return 12
}

// asStranger runs fn over and over, with the rights of an ordinary user, until the result
// is called. Its thread ends with it. The short form leaves the CPU to others for an instant
// where fn says that it may rest.
func asStranger(t *testing.T, fn func() (rest bool)) (stop func()) {
	t.Helper()
	quit, ready := make(chan struct{}), make(chan error)
	var running sync.WaitGroup
	running.Go(func() {
		runtime.LockOSThread() // for good
		ready <- unix.Setfsuid(nobody)
		for {
			select {
			case <-quit:
				return
			default:
				if fn() {
					time.Sleep(kit.Sized(100*time.Microsecond, 0))
				}
			}
		}
	})
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { close(quit); running.Wait() })
}

// TestO13O18RacedStartsLetNobodyIn starts two daemons at once on one path and pidfile, again and
// again, under umask 000. Another user tries to connect all the time. One daemon wins and
// serves. The other user never gets in, although only -sockperms forbids it.
func TestO13O18RacedStartsLetNobodyIn(t *testing.T) {
	t.Parallel()
	needRoot(t)
	at := kit.Unix(t)
	if err := os.Chmod(filepath.Dir(at.Address), 0o755); err != nil {
		t.Fatal(err)
	}
	var in, met atomic.Int64
	defer asStranger(t, func() bool { return knock(at.Address, &in, &met) })()
	rounds := starts() / 2
	for round := range rounds {
		p := programs()[round%2]
		var rivals []*kit.Process
		for range 2 {
			c := p.command("-listen", at.String(), "-pidfile", at.Address+".pid", "-sockperms", "600")
			rivals = append(rivals, inShell(c, "umask 000").Start(t))
		}
		winner := mustWinOne(t, rivals)
		p.mustServe(t, at)
		mustEnd(t, winner)
		mustBeGone(t, at.Address, at.Address+".pid")
	}
	t.Logf("%d raced starts: another user was in %d times and met the closed socket %d times", 2*rounds, in.Load(), met.Load())
	if in.Load() != 0 {
		t.Errorf("got another user in %d times, want never", in.Load())
	}
	if met.Load() < int64(rounds) {
		kit.TooSlow(t, "got the socket met %d times in %d rounds: the attack was none", met.Load(), rounds)
	}
}

// knock connects once. in counts that it came through the permissions, met that it did not:
// until the next start it may rest.
func knock(path string, in, met *atomic.Int64) (rest bool) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer func() { _ = unix.Close(fd) }()
	switch unix.Connect(fd, &unix.SockaddrUnix{Name: path}) {
	case nil, unix.EAGAIN, unix.ECONNREFUSED: // refused: only listen was missing
		in.Add(1)
	case unix.EACCES:
		met.Add(1)
		return true
	}
	return false
}

// mustWinOne holds that one of two starts gets ready and the other ends with 1. It gives
// the one.
func mustWinOne(t *testing.T, rivals []*kit.Process) *kit.Process {
	t.Helper()
	var lost *kit.Process
	kit.Wait(t, patience, "end of one of the two", func() bool {
		for _, r := range rivals {
			if !r.Running() {
				lost = r
			}
		}
		return lost != nil
	})
	if code := lost.Exit(patience); code != 1 {
		t.Fatalf("got exit code %d of the loser, want 1; stderr:\n%s", code, lost.Stderr())
	}
	winner := rivals[0]
	if winner == lost {
		winner = rivals[1]
	}
	return ready(winner)
}

func mustBeGone(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want no such file", path, err)
		}
	}
}

// TestO14SwappedNamesHarmNobody starts daemons in a directory that belongs to an attacker. The
// attacker keeps replacing the socket, the pidfile and their temporary files by links to files
// of root. The starts may fail, but those files keep their content, owner and mode.
func TestO14SwappedNamesHarmNobody(t *testing.T) {
	t.Parallel()
	needRoot(t)
	safe, directory := kit.SocketDir(t), kit.SocketDir(t)
	if err := os.Chown(directory, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	at := kit.Endpoint{Network: "unix", Address: filepath.Join(directory, "s")}
	pidfile := filepath.Join(directory, "pid")
	targets := []string{filepath.Join(safe, "text"), filepath.Join(safe, "pid"), filepath.Join(safe, "empty")}
	for i, text := range []string{"precious", "99999999\n", ""} {
		if err := os.WriteFile(targets[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := snapshot(t, targets)
	swaps := 0
	stop := asStranger(t, func() bool {
		swaps++
		for _, path := range []string{at.Address, pidfile} {
			if swaps%2 == 0 {
				_ = os.Rename(path, path+".away")
			}
			_ = os.Remove(path)
			_ = os.Symlink(targets[swaps%len(targets)], path)
			if swaps%3 != 0 {
				_ = os.Remove(path)
			}
		}
		return true
	})
	defer stop()
	good, bad := 0, 0
	for n := range starts() {
		p := programs()[n%2]
		process := p.command("-listen", at.String(), "-pidfile", pidfile, "-sockowner", "nobody", "-sockperms", "666").Start(t)
		if got := readyOrEnded(t, process); got {
			good++
		} else {
			bad++
		}
	}
	stop()
	t.Logf("%d starts succeeded, %d failed; %d swaps", good, bad, swaps)
	if after := snapshot(t, targets); after != before {
		t.Errorf("root's files: got\n%s\nwant them as before:\n%s", after, before)
	}
	if bad == 0 || swaps < starts() {
		kit.TooSlow(t, "got %d starts that failed and %d swaps: the attack was none", bad, swaps)
	}
}

// readyOrEnded waits until the process is ready, and then ends it, or has ended with 1.
func readyOrEnded(t *testing.T, process *kit.Process) (wasReady bool) {
	t.Helper()
	process.Wait(patience, "start or end", func() bool {
		return !process.Running() || strings.Contains(process.Stderr(), " ready ")
	})
	if process.Running() {
		mustEnd(t, process)
		return true
	}
	if code := process.Exit(patience); code != 1 {
		t.Errorf("got exit code %d, want 1; stderr:\n%s", code, process.Stderr())
	}
	return false
}

// snapshot is all that can be told of files, but when they were read.
func snapshot(t *testing.T, paths []string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range paths {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s: %q, inode %d, mode %o, owner %d:%d, links %d, modified %v, changed %v\n", path, text, st.Ino,
			st.Mode, st.Uid, st.Gid, st.Nlink, time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix()))
	}
	return all.String()
}
