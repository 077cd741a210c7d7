package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// target is where all connections go, as the kernel wants it.
type target struct {
	family int
	name   []byte // the socket address
}

// newTarget looks a host name up, once for the whole run. It returns an error that wraps ErrResolve.
func newTarget(ctx context.Context, a address.Address) (target, error) {
	if a.Kind == address.Unix {
		return unixTarget(a.Path), nil
	}
	at, err := lookUp(ctx, a)
	if err != nil {
		return target{}, err
	}
	return tcpTarget(at)
}

// lookUp returns the first IP address of a TCP address that can be connected to. The look-up has no time limit: the
// resolver asks the next name server when it has waited for the one before.
func lookUp(ctx context.Context, a address.Address) (netip.AddrPort, error) {
	found, err := a.Resolve(ctx, nil)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w %v: %w", ErrResolve, a, err)
	}
	for _, f := range found {
		if !f.Addr().IsLinkLocalUnicast() || !f.Addr().Is6() || f.Addr().Zone() != "" {
			return f, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w %v: %w", ErrResolve, a, errNoZone)
}

// errNoZone explains EINVAL.
var errNoZone = errors.New("a link-local address needs its network interface, as in IP:[fe80::1%eth0]:9001")

func unixTarget(path string) target {
	name := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	name = append(name, path...)
	return target{family: unix.AF_UNIX, name: append(name, 0)}
}

// tcpTarget writes struct sockaddr_in or sockaddr_in6.
func tcpTarget(a netip.AddrPort) (target, error) {
	ip := a.Addr()
	if ip.Is4() {
		name := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		name = binary.BigEndian.AppendUint16(name, a.Port())
		name = append(name, ip.AsSlice()...)
		return target{family: unix.AF_INET, name: append(name, make([]byte, 8)...)}, nil
	}
	scope, err := address.ZoneIndex(ip.Zone())
	if err != nil {
		return target{}, fmt.Errorf("%w %v: %w", ErrResolve, a, err)
	}
	name := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
	name = binary.BigEndian.AppendUint16(name, a.Port())
	name = append(name, 0, 0, 0, 0) // flow information
	name = append(name, ip.AsSlice()...)
	return target{family: unix.AF_INET6, name: binary.NativeEndian.AppendUint32(name, scope)}, nil
}

// reach opens one connection and closes it. It returns the error that the kernel has for it, within the limit.
func (t target) reach(limit time.Duration) error {
	fd, errno := openSocket(t.family)
	if errno != 0 {
		return errno
	}
	defer closeSocket(fd)
	switch errno := connectSocket(fd, t.name); errno {
	case 0, unix.EAGAIN: // a full backlog: somebody listens
		return nil
	case unix.EINPROGRESS:
		return connected(fd, limit)
	default:
		return errno
	}
}

func connected(fd int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		timeout := unix.NsecToTimespec(int64(max(0, time.Until(deadline))))
		n, err := unix.Ppoll(fds, &timeout, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		return err
	}
}
