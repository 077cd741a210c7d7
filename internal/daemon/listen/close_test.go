package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

func TestCloseInSteps(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	s := mustOpen(t, path, Options{})
	check(t, s.CloseListener())
	if s.FD != -1 {
		t.Errorf("FD after CloseListener: got %d, want -1", s.FD)
	}
	if _, err := dial(path); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect after CloseListener: got %v, want %v", err, unix.ECONNREFUSED)
	}
	check(t, s.Unlink())
	checkAbsent(t, path)
	check(t, s.CloseListener())
	check(t, s.Unlink())
	check(t, s.Close())
}

func TestUnlinkFirst(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	s := mustOpen(t, path, Options{})
	check(t, s.Unlink())
	checkAbsent(t, path)
	check(t, s.Close())
}

// TestWhatIsNotOurs is RELIABILITY.md O16: the file changes while the socket is open. Again makes it anew only where nothing
// stands, and Close leaves files of others.
func TestWhatIsNotOurs(t *testing.T) {
	tests := []struct {
		name   string
		happen func(t *testing.T, path string)
		check  error // of Check
		again  error // of Again
		left   bool  // whether a file is at the path at the end
	}{
		{"nothing", func(*testing.T, string) {}, nil, ErrInUse, false},
		{"deleted", func(t *testing.T, path string) { check(t, os.Remove(path)) }, ErrGone, nil, false},
		{"renamed", func(t *testing.T, path string) { check(t, os.Rename(path, path+".old")) }, ErrGone, nil, false},
		{"replaced by a file", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.WriteFile(path, nil, 0o600))
		}, ErrReplaced, ErrOccupied, true},
		{"replaced by a link to it", func(t *testing.T, path string) {
			check(t, os.Rename(path, path+".old"))
			check(t, os.Symlink(path+".old", path))
		}, ErrReplaced, ErrOccupied, true},
		{"replaced by another's socket", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			rawSocket(t, path, unix.SOCK_STREAM, 16)
		}, ErrReplaced, ErrInUse, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			s := mustOpen(t, path, Options{})
			test.happen(t, path)
			if err := s.Check(); !errors.Is(err, test.check) {
				t.Errorf("Check: got %v, want %v", err, test.check)
			}
			fresh, err := s.Again()
			if !errors.Is(err, test.again) {
				t.Errorf("Again: got %v, want %v", err, test.again)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: got %v, want no error", err)
			}
			if err == nil {
				checkAnswers(t, path)
				check(t, fresh.Close())
			}
			if _, err := os.Lstat(path); (err == nil) != test.left {
				t.Errorf("at the path afterwards: got error %v, want something there: %v", err, test.left)
			}
		})
	}
}

// TestNumberIsNotReused holds that a rival's socket is never taken for ours, though many file systems give the number of
// a removed file to the next one.
func TestNumberIsNotReused(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	for range 50 {
		old := mustOpen(t, path, Options{})
		check(t, old.CloseListener())
		rival := mustOpen(t, path, Options{}) // takes the dead one's place
		check(t, old.Unlink())
		checkAnswers(t, path)
		check(t, rival.Close())
		checkAbsent(t, path)
	}
}

func TestRelativePathOutlivesChdir(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	t.Chdir(dir)
	s := mustOpen(t, "s", Options{})
	check(t, s.Check())
	t.Chdir("/")
	check(t, s.Close())
	checkAbsent(t, dir+"/s")
}

func TestDirectoryRenamed(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	check(t, os.Mkdir(dir+"/a", 0o755))
	s := mustOpen(t, dir+"/a/s", Options{})
	check(t, os.Rename(dir+"/a", dir+"/b"))
	if err := s.Check(); !errors.Is(err, ErrGone) {
		t.Errorf("Check: got %v, want %v", err, ErrGone)
	}
	check(t, s.Close())
	checkAbsent(t, dir+"/b/s")
}

// TestUnlinkWithoutPrivileges drops privileges after opening a socket in a sticky directory: its file cannot be removed.
func TestUnlinkWithoutPrivileges(t *testing.T) {
	needRoot(t)
	path := filepath.Join(tempDirectory(t, 0o777|os.ModeSticky), "s")
	h := startHelper(t, "dropper", nil, nil, pathVariable+"="+path)
	line := h.hear()
	if !strings.Contains(line, "UNIX:"+path) || !strings.Contains(line, "operation not permitted") {
		t.Errorf("got %q, want the path and the reason", line)
	}
	lstat(t, path)
}

// TestLockOfAnotherUser is F04: a lock that any user can hold keeps no daemon from its start or its end, nor does a file that
// another user has put in the place of the lock.
func TestLockOfAnotherUser(t *testing.T) {
	for _, test := range []struct {
		name string
		hold func(t *testing.T, dir string)
	}{
		{"flock on the directory", func(t *testing.T, dir string) {
			fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			check(t, err)
			t.Cleanup(func() { _ = unix.Close(fd) })
			check(t, unix.Flock(fd, unix.LOCK_EX))
		}},
		{"a file that others can open", func(t *testing.T, dir string) {
			check(t, os.WriteFile(dir+"/.s.lock", nil, 0o600))
			check(t, os.Chmod(dir+"/.s.lock", 0o666))
			fd, err := unix.Open(dir+"/.s.lock", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			check(t, err)
			t.Cleanup(func() { _ = unix.Close(fd) })
			check(t, unix.Flock(fd, unix.LOCK_EX))
		}},
		{"a file with content", func(t *testing.T, dir string) { check(t, os.WriteFile(dir+"/.s.lock", []byte("precious"), 0o600)) }},
		{"a directory", func(t *testing.T, dir string) { check(t, os.Mkdir(dir+"/.s.lock", 0o700)) }},
		{"a link", func(t *testing.T, dir string) { check(t, os.Symlink("/etc/passwd", dir+"/.s.lock")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tempDirectory(t, 0o755)
			staleSocket(t, dir+"/s")
			test.hold(t, dir)
			s := mustOpen(t, dir+"/s", Options{})
			checkAnswers(t, dir+"/s")
			check(t, s.Close())
			checkAbsent(t, dir+"/s")
			if text, err := os.ReadFile(dir + "/.s.lock"); test.name == "a file with content" && string(text) != "precious" {
				t.Errorf("got %q, %v in the file, want it left alone", text, err)
			}
		})
	}
}

// TestLockFileInStickyDirectory: another user's file in the place of the lock that cannot be removed.
func TestLockFileInStickyDirectory(t *testing.T) {
	needRoot(t)
	dir := tempDirectory(t, 0o777|os.ModeSticky)
	check(t, os.WriteFile(dir+"/.s.lock", nil, 0o600))
	h := startHelper(t, "stayer", asNobody(nobody), nil, targetVariable+"=UNIX:"+dir+"/s")
	if line := h.hear(); line != "UNIX:"+dir+"/s" {
		t.Errorf("got %q, want the address", line)
	}
	if line := h.finish(); line != "closed: <nil>" {
		t.Errorf("at the end: got %q, want no error", line)
	}
}

func TestLockIsBounded(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	holder, err := openDirectory(dir + "/s")
	check(t, err)
	defer holder.close()
	check(t, holder.lock(0))
	waiter, err := openDirectory(dir + "/s")
	check(t, err)
	defer waiter.close()

	const wait = 50 * time.Millisecond
	start := time.Now()
	err = waiter.lock(wait)
	if took := time.Since(start); took < wait {
		t.Errorf("waited %v, want %v and a little", took, wait)
	} else if took > wait+kit.Promptly {
		kit.TooSlow(t, "waited %v, want %v and a little", took, wait)
	}
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want %v, with the directory", err, ErrLocked)
	}
	holder.unlock()
	check(t, waiter.lock(0))
}

// TestStartWaitsForTheLock has a start come while the directory is locked: it goes on when the lock is free.
func TestStartWaitsForTheLock(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	holder, err := openDirectory(dir + "/s")
	check(t, err)
	check(t, holder.lock(0))
	const held = 50 * time.Millisecond
	start := time.Now()
	time.AfterFunc(held, holder.close)
	s := mustOpen(t, dir+"/s", Options{})
	if took := time.Since(start); took < held {
		t.Errorf("Open took %v, want %v and a little", took, held)
	} else if took > startWait {
		kit.TooSlow(t, "Open took %v, want %v and a little", took, held)
	}
	check(t, s.Close())
}
