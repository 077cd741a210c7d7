package daemon

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// connectAs connects to the unix socket over and over until quit is closed, with the
// rights of the user of that ID, and counts how often that went well. Its thread is never
// used for anything else again.
func connectAs(uid int, path string, quit <-chan struct{}, connects *atomic.Int64) error {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Setfsuid(uid); err != nil {
		return err
	}
	for {
		select {
		case <-quit:
			return nil
		default:
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			continue
		}
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		_ = unix.Close(fd)
		if err == nil {
			connects.Add(1)
		}
		if err == nil || errors.Is(err, unix.EACCES) { // it is there: the short form leaves the CPU to others
			time.Sleep(kit.Sized(100*time.Microsecond, 0))
		}
	}
}
