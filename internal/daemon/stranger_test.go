package daemon

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// connectAs connects to the unix socket over and over until quit is closed, with the
// rights of the user of that ID, and gives how often that went well. Its thread is never
// used for anything else again.
func connectAs(uid int, path string, quit <-chan struct{}) (connects int) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Setfsuid(uid); err != nil {
		return -1
	}
	for {
		select {
		case <-quit:
			return connects
		default:
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == nil {
			connects++
		}
		_ = unix.Close(fd)
	}
}
