package service

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// notifyLimit is how long a message may wait for the service manager to read. After that the
// message is lost: a manager that hangs must not hang the daemon.
const notifyLimit = 250 * time.Millisecond

// Notifier tells the service manager how the daemon does, by the protocol of sd_notify(3). The
// methods of a nil Notifier do nothing. Any goroutine may call them, but not that of a loop: a
// call may wait for 250 ms.
type Notifier struct {
	fd       int
	to       string // the name of the service manager's socket
	watchdog time.Duration
}

// FindNotifier returns the way to the service manager that started this process, or nil when
// there is none. It removes the manager's variables from the environment, so that no child
// process speaks for this one. The warning is "" or says why the manager will hear nothing.
func FindNotifier() (n *Notifier, warning string) {
	path, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if path == "" {
		return nil, ""
	}
	n, err := newNotifier(path)
	if err != nil {
		return nil, fmt.Sprintf("NOTIFY_SOCKET %q: %v: the service manager is not notified", path, err)
	}
	if pid == "" || pid == strconv.Itoa(os.Getpid()) {
		n.watchdog = microseconds(usec)
	}
	return n, ""
}

var errNotifySocket = errors.New("neither an absolute path nor an abstract socket")

func newNotifier(path string) (*Notifier, error) {
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, errNotifySocket
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	limit := unix.NsecToTimeval(notifyLimit.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		_ = unix.Close(fd) // nothing was sent
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &Notifier{fd: fd, to: path}, nil
}

// microseconds reads WATCHDOG_USEC; 0 stands for no watchdog.
func microseconds(text string) time.Duration {
	const most = int64(365 * 24 * time.Hour / time.Microsecond)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// Watchdog is the time within which the service manager expects the next Alive, or 0: it
// expects none.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready tells that the start, or a reload, is complete.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading tells that a reload begins. Ready must follow.
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping tells that the end begins.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status gives the line that the service manager shows for the daemon.
func (n *Notifier) Status(line string) error {
	return n.send("STATUS=" + strings.ReplaceAll(line, "\n", " "))
}

// Alive feeds the service manager's watchdog.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// Store gives the service manager a descriptor of the file behind fd. It passes that to the next
// process of the service, under that name, if it is told to keep descriptors
// (FileDescriptorStoreMax= of systemd).
func (n *Notifier) Store(name string, fd int) error {
	return n.send("FDSTORE=1\nFDNAME="+name, fd)
}

// Unstore has the service manager close the descriptors of that name.
func (n *Notifier) Unstore(name string) error { return n.send("FDSTOREREMOVE=1\nFDNAME=" + name) }

func (n *Notifier) send(message string, fds ...int) error {
	if n == nil {
		return nil
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		// Sendmsg writes to the address: goroutines may not share one.
		err := unix.Sendmsg(n.fd, []byte(message), rights, &unix.SockaddrUnix{Name: n.to}, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}
