package daemon

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// TestInheritedDescriptors starts a daemon with descriptors of others, which it leaves
// alone in the foreground and closes when it detaches.
func TestInheritedDescriptors(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t)
		directory := kit.SocketDir(t)
		c := inShell(p.command(daemonArgs(directory)...), "exec 3</dev/zero 9</dev/zero")
		d := p.detach(t, directory, c)
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", d.pid, e.Name())); target == "/dev/zero" {
				t.Errorf("got descriptor %s still open as %s, want it closed", e.Name(), target)
			}
		}
		d.end()
	})
}

// TestListenOnDescriptor passes a listening socket in, as FD:n and as systemd does, to a
// daemon in the foreground and to one that detaches.
func TestListenOnDescriptor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, address string
		shell         string // what systemd sets up
	}{
		{"FD:n", "FD:3", ""},
		{"systemd", "systemd", "LISTEN_PID=$$ LISTEN_FDS=1"},
	} {
		for _, detach := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, -daemon=%v", row.name, detach), func(t *testing.T) {
				forEach(t, func(t *testing.T, p program) {
					directory := kit.SocketDir(t)
					args := append(p.args, "-listen", row.address, "-pidfile", directory+"/pid", fmt.Sprintf("-daemon=%v", detach))
					cmd := exec.Command("/bin/sh", append([]string{"-c", "export " + row.shell + "\n" + `exec "$0" "$@"`, kit.Tool(p.name)}, args...)...)
					cmd.ExtraFiles = []*os.File{listeningSocket(t, socketIn(directory).Address)}
					startCommand(t, cmd)
					kit.Wait(t, patience, "answer", func() bool { return answers(socketIn(directory)) })
					pid := pidIn(t, directory+"/pid")
					t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
					p.mustServe(t, socketIn(directory))
					mustEndInherited(t, pid, socketIn(directory))
				})
			})
		}
	}
}

// TestListenOnSeveralOfSystemd: all sockets of a socket unit are served, by every loop and after
// a detach too, or those of one name.
func TestListenOnSeveralOfSystemd(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		for _, row := range []struct {
			name   string
			args   []string
			served []int
		}{
			{"all", []string{"-listen", "systemd"}, []int{0, 1}},
			{"by name", []string{"-listen", "systemd:b"}, []int{1}},
			{"by both names, detached", []string{"-listen", "systemd:b", "-listen", "systemd:a", "-daemon"}, []int{0, 1}},
		} {
			t.Run(row.name, func(t *testing.T) {
				directory := kit.SocketDir(t)
				at := []kit.Endpoint{socketIn(directory), {Network: "unix", Address: directory + "/t"}}
				c := inShell(p.command(append(row.args, "-pidfile", directory+"/pid")...),
					"export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b")
				if p.name == "dc_client" {
					c.Args = append(c.Args, "-loops", "2")
				}
				c.Files = []*os.File{listeningSocket(t, at[0].Address), listeningSocket(t, at[1].Address)}
				process := c.Start(t)
				kit.Wait(t, patience, "answer", func() bool { return answers(at[row.served[0]]) })
				pid := pidIn(t, directory+"/pid")
				t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
				for _, i := range row.served {
					p.mustServe(t, at[i])
				}
				if len(row.served) == 1 {
					process.WaitStderr(patience, "systemd passed descriptor 3 (a), and no -listen takes it")
				}
				mustEndInherited(t, pid, at[0])
			})
		}
	})
}

// mustEndInherited ends a daemon that was given its socket: the file is not its own.
func mustEndInherited(t *testing.T, pid int, at kit.Endpoint) {
	t.Helper()
	d := &detached{t: t, pid: pid}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kit.Wait(t, patience, "end of the daemon", func() bool { return !d.alive() })
	stat(t, at.Address)
}

// listeningSocket is a socket as a supervisor makes it.
func listeningSocket(t *testing.T, path string) *os.File {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	defer func() { _ = l.Close() }()
	file, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestListenOnDescriptorRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, address string
		code          int
		words         []string
	}{
		{"nothing there", "FD:999", 1, []string{"FD:999", "bad file descriptor"}},
		{"a standard one", "FD:2", 2, []string{"-listen", `"FD:2"`}},
		{"not from systemd", "systemd", 1, []string{"systemd", "LISTEN_PID"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				mustName(t, p.fails(t, row.code, "-listen", row.address), row.words...)
			})
		})
	}
}
