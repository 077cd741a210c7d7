// Floor is the least that a server of short-lived unix-socket clients can do: one
// thread, raw epoll, and to every request the same answer. What it costs is what the
// kernel costs; bench compares the others with it.
//
//	floor /path/of/the/socket
//
// It answers each frame with NOTOK under the frame's own uid and operation, expects
// every frame in one piece, and checks nothing: it is a yardstick, not a server.
package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"distcache/codec"

	"golang.org/x/sys/unix"
)

const (
	maxEvents = 1024
	readSize  = 64 << 10
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: floor socket")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	runtime.LockOSThread()
	raiseDescriptorLimit()
	listener, err := listen(path)
	if err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	watch(epoll, listener)
	fmt.Fprintln(os.Stderr, "floor ready", path)
	serve(epoll, listener)
	return nil
}

// raiseDescriptorLimit gets as many descriptors as the process may have; too few show
// as refused connects.
func raiseDescriptorLimit() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
}

func listen(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return -1, fmt.Errorf("%s: %w", path, os.NewSyscallError("bind", err))
	}
	return fd, os.NewSyscallError("listen", unix.Listen(fd, 4096))
}

func serve(epoll, listener int) {
	var events [maxEvents]unix.EpollEvent
	buf := make([]byte, readSize)
	out := make([]byte, 0, readSize)
	for {
		n := call(unix.SYS_EPOLL_WAIT, epoll, unsafe.Pointer(&events), maxEvents, -1)
		for _, ev := range events[:max(0, n)] {
			if fd := int(ev.Fd); fd == listener {
				acceptAll(epoll, listener)
			} else {
				answer(fd, buf, out)
			}
		}
	}
}

func acceptAll(epoll, listener int) {
	for {
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return
		}
		watch(epoll, int(fd))
	}
}

func watch(epoll, fd int) {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	_, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
}

// answer reads what is there and writes as many answers as there are frames in it.
func answer(fd int, buf, out []byte) {
	n := call(unix.SYS_READ, fd, unsafe.Pointer(&buf[0]), len(buf), 0)
	if n <= 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
		return
	}
	for rest := buf[:n]; len(rest) >= codec.HeaderSize; {
		h, err := codec.ParseHeader(rest, codec.Request)
		if err != nil {
			break
		}
		out = codec.AppendStatus(out, h.UID, h.Op, codec.StatusNotOK)
		rest = rest[min(len(rest), codec.HeaderSize+h.DataLen):]
	}
	call(unix.SYS_WRITE, fd, unsafe.Pointer(&out[:1][0]), len(out), 0)
}

// call makes a system call on a buffer without telling the scheduler; below 0 is an error.
func call(trap uintptr, fd int, p unsafe.Pointer, n, last int) int {
	r, _, errno := unix.RawSyscall6(trap, uintptr(fd), uintptr(p), uintptr(n), uintptr(last), 0, 0)
	if errno != 0 {
		return -1
	}
	return int(r)
}
