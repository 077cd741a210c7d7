package service

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// writePidfile opens and writes a pidfile, as a start does.
func writePidfile(path string) (*Pidfile, error) {
	p, err := OpenPidfile(path)
	if err != nil {
		return nil, err
	}
	if err := p.Write(); err != nil {
		return nil, err
	}
	return p, nil
}

// playPidfile obeys lines on stdin: "write PATH", "chdir", "drop USER", "umask MASK", "chroot PATH", "collect" (garbage),
// "remove", and says how each went.
func playPidfile([]string) int {
	var p *Pidfile
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		var err error
		switch verb {
		case "write":
			var q *Pidfile
			if q, err = writePidfile(arg); err == nil {
				p = q
			}
		case "chdir":
			err = os.Chdir("/")
		case "chroot":
			err = syscall.Chroot(arg)
		case "umask":
			mask, _ := strconv.ParseUint(arg, 8, 32)
			syscall.Umask(int(mask))
		case "drop":
			var u User
			if u, err = LookupUser(arg); err == nil {
				_, err = u.Drop()
			}
		case "collect":
			p = nil
			runtime.GC()
			runtime.GC()
		case "remove":
			err = p.Remove()
		}
		if err == nil {
			fmt.Println("ok")
		} else {
			fmt.Println(err)
		}
	}
	return 0
}

// do lets a part obey one line and returns its answer.
func (p *process) do(t *testing.T, order string) string {
	t.Helper()
	p.say(t, order)
	return p.line(t)
}

// deadPid returns the ID of a process that has ended.
func deadPid(t *testing.T) int {
	t.Helper()
	p := startRole(t, "idle", nil)
	p.expect(t, "idle")
	p.end(t)
	return p.pid()
}

// fileIdentity describes a file so that any change to it shows, but for its times.
func fileIdentity(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err.Error()
	}
	content := ""
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content = string(b)
	}
	return fmt.Sprintf("dev %d inode %d mode %o owner %d links %d size %d content %q", st.Dev, st.Ino, st.Mode, st.Uid, st.Nlink, st.Size, content)
}

func TestPidfileIsWritten(t *testing.T) {
	own := fmt.Sprintln(os.Getpid())
	rows := []struct {
		name   string
		before func(t *testing.T, path string)
	}{
		{"nothing there", func(*testing.T, string) {}},
		{"process has gone", func(t *testing.T, path string) { write(t, path, fmt.Sprintln(deadPid(t))) }},
		{"no newline", func(t *testing.T, path string) { write(t, path, fmt.Sprint(deadPid(t))) }},
		{"emptied", func(t *testing.T, path string) { write(t, path, "") }},
		{"zero", func(t *testing.T, path string) { write(t, path, "0\n") }},
		{"greatest number", func(t *testing.T, path string) { write(t, path, "2147483647\n") }},
		{"our own number, of an earlier boot", func(t *testing.T, path string) { write(t, path, own) }},
		{"live process of another program", func(t *testing.T, path string) { write(t, path, "1\n") }},
		{"thread of our program", func(t *testing.T, path string) {
			p := startRole(t, "idle", nil)
			p.expect(t, "idle")
			write(t, path, fmt.Sprintln(threadOf(t, p.pid())))
		}},
		{"zombie of our program", func(t *testing.T, path string) {
			p := startRole(t, "idle", nil)
			p.expect(t, "idle")
			p.stdin.Close()
			eventually(t, "end", func() bool {
				status, err := readStatus(fmt.Sprintf("/proc/%d/status", p.pid()))
				return err == nil && strings.HasPrefix(status["State"], "Z")
			})
			write(t, path, fmt.Sprintln(p.pid()))
		}},
		{"holder was killed", func(t *testing.T, path string) {
			p := startRole(t, "pidfile", nil)
			if got := p.do(t, "write "+path); got != "ok" {
				t.Fatal(got)
			}
			p.kill(t)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			directory := t.TempDir()
			path := filepath.Join(directory, "dc.pid")
			row.before(t, path)
			p, err := writePidfile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != own {
				t.Errorf("content: got %q, %v, want %q", got, err, own)
			}
			if got := listDirectory(t, directory); got != "dc.pid" {
				t.Errorf("directory: got %s, want dc.pid only", got)
			}
			if err := p.Remove(); err != nil {
				t.Errorf("Remove: %v", err)
			}
			if got := listDirectory(t, directory); got != "" {
				t.Errorf("directory after Remove: got %s, want nothing", got)
			}
			if err := p.Remove(); err != nil {
				t.Errorf("second Remove: %v", err)
			}
		})
	}
}

// TestPidfileNamesParent holds that the process that starts a daemon is never taken for an earlier one, whose number it
// may well have in a container.
func TestPidfileNamesParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dc.pid")
	write(t, path, fmt.Sprintln(os.Getpid()))
	p := startRole(t, "pidfile", nil)
	if got := p.do(t, "write "+path); got != "ok" {
		t.Errorf("got %q, want ok", got)
	}
}

// TestPidfileKeepsNoDescriptors replaces, is refused and removes many times.
func TestPidfileKeepsNoDescriptors(t *testing.T) {
	const rounds = 50
	directory := t.TempDir()
	path, foreign := filepath.Join(directory, "dc.pid"), filepath.Join(directory, "foreign")
	write(t, foreign, "text\n")
	before := len(strings.Fields(listDirectory(t, "/proc/self/fd")))
	for range rounds {
		write(t, path, "0\n")
		p, err := writePidfile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, refused := range []string{path, foreign} {
			if _, err := writePidfile(refused); err == nil {
				t.Fatalf("%s: got it, want it refused", refused)
			}
		}
		if err := p.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	// The runtime may have opened one or two of its own.
	if got := len(strings.Fields(listDirectory(t, "/proc/self/fd"))); got > before+rounds/2 {
		t.Errorf("open descriptors: got %d, want about %d", got, before)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// threadOf returns the ID of a thread of process pid that is not its first.
func threadOf(t *testing.T, pid int) int {
	t.Helper()
	for _, name := range strings.Fields(listDirectory(t, fmt.Sprintf("/proc/%d/task", pid))) {
		if id, _ := strconv.Atoi(name); id != pid {
			return id
		}
	}
	t.Fatal("the process has one thread only")
	return 0
}

// TestPidfileIsRefused checks that any file but a stale pidfile stays exactly as it is.
func TestPidfileIsRefused(t *testing.T) {
	rows := []struct {
		name   string
		before func(t *testing.T, path string)
		want   error
		text   string
	}{
		{"directory", func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, ErrPidfileForeign, "it is a directory"},
		{"link to a file", func(t *testing.T, path string) {
			write(t, path+".target", "1\n")
			os.Symlink(path+".target", path)
		}, ErrPidfileForeign, "it is a symbolic link"},
		{"dangling link", func(t *testing.T, path string) { os.Symlink(path+".none", path) }, ErrPidfileForeign, "it is a symbolic link"},
		{"fifo", func(t *testing.T, path string) { unix.Mkfifo(path, 0o600) }, ErrPidfileForeign, "it is a named pipe"},
		{"socket", func(t *testing.T, path string) { unix.Mknod(path, unix.S_IFSOCK|0o600, 0) }, ErrPidfileForeign, "it is a socket"},
		{"another text", func(t *testing.T, path string) { write(t, path, "root:x:0:0\n") }, ErrPidfileForeign, "does not hold a process ID"},
		{"negative number", func(t *testing.T, path string) { write(t, path, "-1\n") }, ErrPidfileForeign, "does not hold a process ID"},
		{"two numbers", func(t *testing.T, path string) { write(t, path, "1\n2\n") }, ErrPidfileForeign, "does not hold a process ID"},
		{"number beyond any", func(t *testing.T, path string) { write(t, path, "2147483648\n") }, ErrPidfileForeign, "does not hold a process ID"},
		{"blanks without end", func(t *testing.T, path string) { write(t, path, strings.Repeat(" ", 4096)) }, ErrPidfileForeign, "does not hold a process ID"},
		{"number, then blanks without end", func(t *testing.T, path string) { write(t, path, "7"+strings.Repeat(" ", 4096)) }, ErrPidfileForeign, "does not hold a process ID"},
		{"held by a live process", func(t *testing.T, path string) {
			p := startRole(t, "pidfile", nil)
			if got := p.do(t, "write "+path); got != "ok" {
				t.Fatal(got)
			}
		}, ErrPidfileHeld, "process ID in the file: "},
		{"held, its number forgotten", func(t *testing.T, path string) {
			p := startRole(t, "pidfile", nil)
			if got := p.do(t, "write "+path); got != "ok" {
				t.Fatal(got)
			}
			os.Truncate(path, 0)
		}, ErrPidfileHeld, "process ID in the file: 0"},
		{"held, though its holder dropped the object", func(t *testing.T, path string) {
			p := startRole(t, "pidfile", nil)
			if got := p.do(t, "write "+path); got != "ok" {
				t.Fatal(got)
			}
			p.do(t, "collect")
		}, ErrPidfileHeld, "process ID in the file: "},
		{"live process of our name without a lock", func(t *testing.T, path string) {
			p := startRole(t, "idle", nil)
			p.expect(t, "idle")
			write(t, path, fmt.Sprintln(p.pid()))
		}, ErrPidfileHeld, " is a running " + programName()},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			directory := t.TempDir()
			path := filepath.Join(directory, "dc.pid")
			row.before(t, path)
			before, names := fileIdentity(t, path), listDirectory(t, directory)
			p, err := writePidfile(path)
			if p != nil || !errors.Is(err, row.want) {
				t.Fatalf("got %v, %v, want %v", p, err, row.want)
			}
			if text := err.Error(); !strings.HasPrefix(text, "-pidfile "+path+": ") || !strings.Contains(text, row.text) {
				t.Errorf("error: got %q, want it to name %s and say %q", text, path, row.text)
			}
			if got := fileIdentity(t, path); got != before {
				t.Errorf("the file: got %s, want it as it was, %s", got, before)
			}
			if got := listDirectory(t, directory); got != names {
				t.Errorf("directory: got %s, want %s", got, names)
			}
		})
	}
}

// TestPidfileUnwritable holds that errors of the system come through with the path, and leave nothing.
func TestPidfileUnwritable(t *testing.T) {
	directory := t.TempDir()
	write(t, filepath.Join(directory, "file"), "")
	rows := []struct {
		name, path string
		want       error
	}{
		{"missing directory", filepath.Join(directory, "none", "dc.pid"), unix.ENOENT},
		{"directory is a file", filepath.Join(directory, "file", "dc.pid"), unix.ENOTDIR},
		{"name too long", filepath.Join(directory, strings.Repeat("x", 256)), unix.ENAMETOOLONG},
		{"directory itself", directory + "/", ErrPidfileForeign},
		{"nothing", "", ErrPidfileForeign},
		{"device", "/dev/null", ErrPidfileForeign},
		{"full device", "/dev/full", ErrPidfileForeign},
		{"file system of the kernel", "/proc/dc.pid", fs.ErrNotExist},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := writePidfile(row.path)
			if !errors.Is(err, row.want) || !strings.HasPrefix(fmt.Sprint(err), "-pidfile "+row.path+": ") {
				t.Errorf("got %v, want %v and the path", err, row.want)
			}
			if got := listDirectory(t, directory); got != "file" {
				t.Errorf("directory: got %s, want it unchanged", got)
			}
		})
	}
}

// TestPidfileNameOfAnyLength checks that the temporary name does not limit the length.
func TestPidfileNameOfAnyLength(t *testing.T) {
	p, err := writePidfile(filepath.Join(t.TempDir(), strings.Repeat("x", 255)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Error(err)
	}
}

func TestPidfileNotPermitted(t *testing.T) {
	needRoot(t)
	directory := openDirectory(t)
	os.Chmod(directory, 0o755)
	p := startRole(t, "pidfile", asNobody)
	path := filepath.Join(directory, "dc.pid")
	want := "-pidfile " + path + ": cannot create a file in directory " + directory + ": permission denied"
	if got := p.do(t, "write "+path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// openDirectory returns a temporary directory that others can reach too.
func openDirectory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

// mountTmpfs mounts a file system in a temporary directory.
func mountTmpfs(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", flags, options); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(directory, syscall.MNT_DETACH) })
	return directory
}

func TestPidfileFullDisk(t *testing.T) {
	directory := mountTmpfs(t, 0, "size=16k")
	if err := os.WriteFile(filepath.Join(directory, "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: got %v, want %v", err, unix.ENOSPC)
	}
	path := filepath.Join(directory, "dc.pid")
	for _, before := range []string{"filler", "dc.pid filler"} {
		if _, err := writePidfile(path); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want %v and the path", err, unix.ENOSPC)
		}
		if got := listDirectory(t, directory); got != before {
			t.Errorf("directory: got %s, want %s", got, before)
		}
		write(t, path, "") // a stale one, which must survive the second round
	}
}

func TestPidfileReadOnlyDisk(t *testing.T) {
	path := filepath.Join(mountTmpfs(t, syscall.MS_RDONLY, ""), "dc.pid")
	if _, err := writePidfile(path); !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want %v and the path", err, unix.EROFS)
	}
}

func TestPidfileMode(t *testing.T) {
	for _, mask := range []string{"000", "022", "077", "777"} {
		t.Run("umask="+mask, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dc.pid")
			p := startRole(t, "pidfile", nil)
			p.do(t, "umask "+mask)
			if got := p.do(t, "write "+path); got != "ok" {
				t.Fatal(got)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != pidfileMode {
				t.Errorf("mode: got %v, want %v", got, fs.FileMode(pidfileMode))
			}
		})
	}
}

// TestPidfileRemoveOnlyOurs checks that a file which has replaced ours stays.
func TestPidfileRemoveOnlyOurs(t *testing.T) {
	rows := []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"removed", os.Remove, ""},
		{"replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		}, "dc.pid"},
		{"moved away", func(path string) error { return os.Rename(path, path+".old") }, "dc.pid.old"},
		{"replaced by a link to it", func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
		}, "dc.pid dc.pid.old"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			directory := t.TempDir()
			path := filepath.Join(directory, "dc.pid")
			p, err := writePidfile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := row.change(path); err != nil {
				t.Fatal(err)
			}
			if err := p.Remove(); err != nil {
				t.Errorf("Remove: %v", err)
			}
			if got := listDirectory(t, directory); got != row.want {
				t.Errorf("directory: got %q, want %q", got, row.want)
			}
		})
	}
}

// TestPidfileRemoveAfterChdir removes a relative path from another directory.
func TestPidfileRemoveAfterChdir(t *testing.T) {
	directory := t.TempDir()
	p := startRole(t, "pidfile", func(cmd *exec.Cmd) { cmd.Dir = directory })
	for _, order := range []string{"write dc.pid", "chdir", "remove"} {
		if got := p.do(t, order); got != "ok" {
			t.Errorf("%s: %s", order, got)
		}
	}
	if got := listDirectory(t, directory); got != "" {
		t.Errorf("directory: got %s, want nothing", got)
	}
}

// TestPidfileRemoveNotPermitted holds that the number does not outlive the process where the file must.
func TestPidfileRemoveNotPermitted(t *testing.T) {
	needRoot(t)
	directory := openDirectory(t)
	path := filepath.Join(directory, "dc.pid")
	p := startRole(t, "pidfile", nil)
	for _, order := range []string{"write " + path, "drop nobody"} {
		if got := p.do(t, order); got != "ok" {
			t.Fatalf("%s: %s", order, got)
		}
	}
	want := "-pidfile " + path + ": cannot be removed (permission denied); it was emptied instead"
	if got := p.do(t, "remove"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != 0 {
		t.Errorf("content: got %q, %v, want nothing", got, err)
	}
	p.end(t)
	again, err := writePidfile(path)
	if err != nil {
		t.Fatalf("next start: %v", err)
	}
	again.Remove()
}

// TestPidfileWithoutProc checks that a live process counts when its program cannot be found out.
func TestPidfileWithoutProc(t *testing.T) {
	needRoot(t)
	directory := t.TempDir()
	write(t, filepath.Join(directory, "live.pid"), "1\n")
	write(t, filepath.Join(directory, "dead.pid"), fmt.Sprintln(deadPid(t)))
	write(t, filepath.Join(directory, "empty.pid"), "")
	p := startRole(t, "pidfile", nil)
	p.do(t, "chroot "+directory)
	p.do(t, "chdir")
	if got := p.do(t, "write /live.pid"); !strings.Contains(got, ErrPidfileHeld.Error()) {
		t.Errorf("live process: got %q, want %v", got, ErrPidfileHeld)
	}
	for _, path := range []string{"/dead.pid", "/empty.pid"} {
		if got := p.do(t, "write "+path); got != "ok" {
			t.Errorf("%s: got %q, want ok", path, got)
		}
	}
}

// TestPidfileRace starts several processes at once, on no file and on a stale one: exactly one gets it.
func TestPidfileRace(t *testing.T) {
	const rounds, racers = 200, 4
	directory := t.TempDir()
	path := filepath.Join(directory, "dc.pid")
	dead := fmt.Sprintln(deadPid(t))
	var parts []*process
	for range racers {
		parts = append(parts, startRole(t, "pidfile", nil))
	}
	for round := range rounds {
		if round%2 == 1 {
			write(t, path, dead)
		}
		for _, p := range parts {
			p.say(t, "write "+path)
		}
		var winner *process
		for _, p := range parts {
			got := p.line(t)
			if got == "ok" && winner == nil {
				winner = p
			} else if !strings.Contains(got, ErrPidfileHeld.Error()) {
				t.Fatalf("round %d: got %q, want exactly one winner and the others refused", round, got)
			}
		}
		if winner == nil {
			t.Fatalf("round %d: got no winner, want one", round)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != fmt.Sprintln(winner.pid()) {
			t.Errorf("round %d: content: got %q, %v, want %d", round, got, err, winner.pid())
		}
		if got := winner.do(t, "remove"); got != "ok" {
			t.Errorf("round %d: remove: %s", round, got)
		}
		if got := listDirectory(t, directory); got != "" {
			t.Errorf("round %d: directory: got %s, want nothing", round, got)
		}
	}
}

// TestF04PidfileLockedByReaders: users who may only read a pidfile that was left can take locks on it; the next start
// replaces it nevertheless.
func TestF04PidfileLockedByReaders(t *testing.T) {
	for _, row := range []struct{ name, content string }{
		{"killed", fmt.Sprintln(deadPid(t))},
		{"emptied at an end with -user", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dc.pid")
			write(t, path, row.content)
			reader, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if err := unix.Flock(int(reader.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			if err := unix.FcntlFlock(reader.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}); err != nil {
				t.Fatal(err)
			}
			p, err := writePidfile(path)
			if err != nil {
				t.Fatalf("got %v, want it replaced", err)
			}
			if _, err := writePidfile(path); !errors.Is(err, ErrPidfileHeld) {
				t.Errorf("a second start: got %v, want %v", err, ErrPidfileHeld)
			}
			if err := p.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPidfileStress writes and removes from many goroutines: never do two hold it, never is it seen in part.
func TestPidfileStress(t *testing.T) {
	const workers, each = 8, 300
	directory := t.TempDir()
	path := filepath.Join(directory, "dc.pid")
	var holders sync.Mutex
	var group sync.WaitGroup
	won := make([]int, workers)
	for worker := range workers {
		group.Go(func() {
			for range each {
				p, err := writePidfile(path)
				if err != nil {
					if !errors.Is(err, ErrPidfileHeld) && !errors.Is(err, ErrPidfileBusy) {
						t.Errorf("got %v, want %v", err, ErrPidfileHeld)
					}
					continue
				}
				if !holders.TryLock() {
					t.Errorf("got two holders, want one")
					return
				}
				if got, err := os.ReadFile(path); err != nil || string(got) != fmt.Sprintln(os.Getpid()) {
					t.Errorf("content: got %q, %v, want %d", got, err, os.Getpid())
				}
				won[worker]++
				holders.Unlock()
				if err := p.Remove(); err != nil {
					t.Errorf("Remove: %v", err)
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range won {
		total += n
	}
	if total == 0 {
		t.Errorf("got no process that ever held it")
	}
	if got := listDirectory(t, directory); got != "" {
		t.Errorf("directory: got %s, want nothing", got)
	}
}

// TestPidfileConfirm replaces the file before it is confirmed, as one without regard for locks would.
func TestPidfileConfirm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dc.pid")
	p, err := writePidfile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Remove()
	if err := p.confirm(); err != nil {
		t.Errorf("untouched: got %v, want nothing", err)
	}
	write(t, path+".new", "1\n")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := p.confirm(); !errors.Is(err, ErrPidfileBusy) {
		t.Errorf("replaced: got %v, want %v", err, ErrPidfileBusy)
	}
}

// FuzzPidfileContent holds that a file is replaced only if all it holds is a number.
func FuzzPidfileContent(f *testing.F) {
	for _, text := range []string{"", "1\n", " 7 ", "0x1", "12345678901234567890", "1\x002", "+5"} {
		f.Add([]byte(text))
	}
	directory := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := os.CreateTemp(directory, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(file.Name())
		defer file.Close()
		if _, err := file.Write(content); err != nil {
			t.Fatal(err)
		}
		pid, err := readPid(int(file.Fd()))
		digits := strings.TrimSpace(string(content))
		plain := len(content) <= pidfileMax && strings.Trim(digits, "0123456789") == ""
		if err == nil && (!plain || pid < 0) {
			t.Errorf("%q: got %d, want it refused", content, pid)
		}
		if err != nil && plain && len(digits) < 10 {
			t.Errorf("%q: got %v, want a number", content, err)
		}
	})
}
