package daemon

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/engine/socket"
	"distcache/internal/test/kit"
)

// socketAttacks use what sockets can do beside carrying bytes.
func socketAttacks() []attack {
	return []attack{
		{"an out-of-band byte", 40, func(c *kit.Conn, n int) error {
			request := kit.Have(uint32(n), "nobody's")
			if err := errors.Join(c.Write(request[:10]), sendOutOfBand(c)); err != nil || isInline(c) {
				return err // it may be garbage amid the request
			}
			return errors.Join(c.Write(request[10:]), mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
		{"out-of-band bytes", 40, func(c *kit.Conn, _ int) error {
			// To a unix socket all but the last are bytes as all others, so that this is
			// garbage there; TCP drops them.
			for range 20 {
				_ = sendOutOfBand(c)
			}
			return nil
		}},
		{"descriptors", 100, func(c *kit.Conn, n int) error {
			sock, ok := c.Socket().(*net.UnixConn)
			if !ok {
				return nil // TCP carries none
			}
			request := kit.Have(uint32(n), "nobody's")
			err := sendDescriptors(sock, request)
			switch {
			case err == nil:
				return mustClose(c) // the kernel let them through
			case !errors.Is(err, unix.EPERM):
				return err
			}
			return errors.Join(c.Write(request), mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
	}
}

// TestOutOfBandByteWaits leaves one where it is: a daemon that took it for something to
// read would read in vain for ever.
func TestOutOfBandByteWaits(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"UNIX:", "IP:127.0.0.1:0"} {
		t.Run(address, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				address := address
				if address == "UNIX:" {
					address += kit.Unix(t).Address
				}
				process := p.start(t, "-listen", address)
				client := kit.Dial(t, listenedOn(t, process))
				if isInline(client.Conn) {
					t.Skip("an out-of-band byte is part of the stream here")
				}
				client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
				checkPost := notePost(process)
				if err := sendOutOfBand(client.Conn); err != nil {
					t.Fatal(err)
				}
				checkPost(kit.DefaultSlack())
				client.ExpectStatus(kit.Have(2, "nobody's"), p.absent)
			})
		})
	}
}

// sendOutOfBand sends one byte beside the stream (MSG_OOB), which a receiver that does
// not ask for it never sees.
func sendOutOfBand(c *kit.Conn) error {
	raw, err := c.Socket().(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendto(int(fd), []byte{'!'}, unix.MSG_OOB|unix.MSG_NOSIGNAL, nil)
	})
	if errors.Is(sent, unix.EOPNOTSUPP) {
		sent = nil // AF_UNIX takes it since Linux 5.15
	}
	return errors.Join(err, sent)
}

// isInline tells that out-of-band bytes may be part of the stream: over a unix socket, where the
// kernel cannot refuse descriptors, which they may carry (before Linux 6.16).
func isInline(c *kit.Conn) bool {
	if _, local := c.Socket().(*net.UnixConn); !local {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer func() { _ = unix.Close(fd) }()
	return !socket.RefuseRights(fd)
}

// sendDescriptors sends bytes with as many descriptors as one message takes.
func sendDescriptors(sock *net.UnixConn, b []byte) error {
	file, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	const scmMax = 253
	fds := make([]int, scmMax)
	for i := range fds {
		fds[i] = int(file.Fd())
	}
	_, _, err = sock.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return err
}
