package listen

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine/socket"
)

// Plan tells how to open a socket. Inspect has looked everything up, and nothing is changed yet. A start carries it out
// with Open; -check calls Check instead. Call Close at the end in both cases.
type Plan struct {
	addr      address.Address
	backlog   int
	warnings  []string     // settings that will be obeyed but likely surprise
	access    access       // UNIX: owner, group and mode of the socket file
	dir       *directory   // UNIX: where the socket file belongs; nil once Open has taken it over
	ips       []netip.Addr // IP: what to try to listen on, in this order
	fd        int          // FD and systemd: the descriptor that was passed in
	notPassed error        // systemd: why there is no such descriptor
}

// InspectAll makes the plans for the addresses, each with the options that opt gives for it.
// systemd makes one for each socket that was passed in, so there may be more plans than
// addresses. It reads and looks up: users, groups, a host name, the directory of the socket
// file, what was passed in. It creates, binds and removes nothing. The variables by which
// systemd passes sockets are unset, so that no child process takes them for its own.
//
// The errors that it wraps are those of errors.go and of the system calls; the message starts
// with the address. The plans must be closed in any case.
func InspectAll(addrs []address.Address, opt func(address.Address) Options) (plans []*Plan, warnings []string, err error) {
	var passed passed
	bySystemd := slices.ContainsFunc(addrs, func(a address.Address) bool { return a.Kind == address.Systemd })
	if bySystemd {
		if passed, err = readPassed(); err != nil {
			err = fmt.Errorf("systemd: %w", err)
		}
		if err := errors.Join(err, forget()); err != nil {
			return nil, nil, err
		}
	}
	for _, addr := range addrs {
		if addr.Kind == address.Systemd {
			sockets, err := passed.inspect(addr, opt(addr))
			if err != nil {
				return plans, nil, err
			}
			plans = append(plans, sockets...)
			continue
		}
		o := opt(addr)
		p := &Plan{addr: addr, backlog: o.backlog()}
		if err := p.inspect(o); err != nil {
			return plans, nil, p.named(err)
		}
		plans = append(plans, p)
	}
	return plans, passed.untaken(plans), nil
}

// Inspect is InspectAll for an address that stands for one socket.
func Inspect(addr address.Address, opt Options) (*Plan, error) {
	plans, warnings, err := InspectAll([]address.Address{addr}, func(address.Address) Options { return opt })
	if err != nil {
		return nil, err
	}
	if len(plans) != 1 {
		return nil, fmt.Errorf("%s: systemd passed %d sockets: choose one by its name (systemd:name)", addr, len(plans))
	}
	plans[0].warn(warnings...)
	return plans[0], nil
}

// Open makes the plan for an address and carries it out.
func Open(addr address.Address, opt Options) (*Socket, error) {
	p, err := Inspect(addr, opt)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Open()
}

func (p *Plan) inspect(opt Options) (err error) {
	if _, err := address.ParseSecureListen(p.addr.String()); err != nil {
		return err
	}
	switch p.addr.Kind {
	case address.Unix:
		if p.access, err = resolveAccess(opt); err == nil {
			p.dir, err = openDirectory(p.addr.Path)
		}
		if err == nil {
			p.warn(p.dir.warning())
		}
		p.warn(p.access.warning())
	case address.TCP, address.TLS:
		p.ips, err = ipsOf(p.addr)
	default:
		p.fd = p.addr.FD
		err = checkListening(p.fd)
	}
	if p.addr.Kind != address.Unix {
		p.warn(opt.unused(p.addr))
	}
	if err == nil {
		p.warn(p.openToHosts())
	}
	return err
}

// IsUnix reports whether this is a unix socket, or may be one: a socket that systemd is still to pass in.
func (p *Plan) IsUnix() bool {
	switch {
	case p.addr.Kind == address.Unix, p.notPassed != nil:
		return true
	case p.addr.Kind == address.TCP, p.addr.Kind == address.TLS:
		return false
	}
	return socket.IsUnix(p.fd)
}

// Address is the address as it was given: systemd for each of the sockets behind that.
func (p *Plan) Address() string { return p.addr.String() }

// openToHosts tells that other hosts can connect, or is "".
func (p *Plan) openToHosts() string {
	switch {
	case p.IsUnix(), p.addr.Kind == address.TLS:
		return ""
	case p.addr.Kind != address.TCP:
		if bound, err := boundAddress(p.fd); err != nil || bound.IsLoopback() {
			return ""
		}
	case !slices.ContainsFunc(p.ips, func(ip netip.Addr) bool { return !ip.IsLoopback() }):
		return ""
	}
	return fmt.Sprintf("-listen %s: connections from other hosts are neither encrypted nor authenticated, and any host that can connect can "+
		"read and remove sessions; use TLS: between dc_client and dc_server, or keep this address inside a network that you trust", p.addr)
}

func (p *Plan) warn(lines ...string) {
	for _, line := range lines {
		if line != "" {
			p.warnings = append(p.warnings, line)
		}
	}
}

func (p *Plan) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.addr, err)
}

// Check tells whether Open would succeed, without binding, creating or removing anything; at most it connects to a socket
// at the path. The errors are those of Open. Another process that listens on the path is only a warning, as it may be
// the daemon that is to be replaced. Some failures show in the attempt alone: a TCP port in use, a full disk.
//
// A start does not call Check: there the kernel decides what is permitted.
func (p *Plan) Check() (warnings []string, err error) {
	var warning string
	switch {
	case p.addr.Kind == address.Unix:
		warning, err = p.checkUnix()
	case p.addr.Kind == address.TCP, p.addr.Kind == address.TLS:
		err = p.checkTCP()
	case p.notPassed != nil:
		warning = p.addr.String() + ": no socket was passed to this process, so the one of the socket unit is not checked"
	}
	warnings = slices.Clone(p.warnings)
	if warning != "" {
		warnings = append(warnings, warning)
	}
	return warnings, p.named(err)
}

// Open carries out the plan, once. After an error nothing is left behind; the message starts with the address.
//
// For a UNIX: address Open sets the umask of the process for an instant: call it at the start, from one goroutine, while
// no other one creates files.
func (p *Plan) Open() (s *Socket, err error) {
	switch {
	case p.addr.Kind == address.Unix:
		s, err = p.openUnix()
	case p.addr.Kind == address.TCP, p.addr.Kind == address.TLS:
		s, err = p.openTCP()
	case p.notPassed != nil:
		err = p.notPassed
	default:
		s, err = adopt(p.fd)
	}
	if err != nil {
		return nil, p.named(err)
	}
	s.Warnings = append(p.warnings, s.Warnings...)
	return s, nil
}

// Close closes the directory, unless Open has taken it over.
func (p *Plan) Close() {
	if p.dir != nil {
		p.dir.close()
		p.dir = nil
	}
}

func checkListening(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotListening, os.NewSyscallError("getsockopt", err))
	}
	accepting, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotListening, os.NewSyscallError("getsockopt", err))
	}
	if kind != unix.SOCK_STREAM || accepting == 0 {
		return ErrNotListening
	}
	return nil
}

// adopt takes over a listening socket that was passed in. Its owner, mode and backlog stay as they are, and its file is
// left to the process that made it.
func adopt(fd int) (*Socket, error) {
	addr, err := boundAddress(fd)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &Socket{FD: fd, Adopted: true, addr: addr}, nil
}

// capable reports whether this process has a capability (capabilities(7)).
func capable(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return os.Geteuid() == 0
	}
	return sets[capability/32].Effective&(1<<(capability%32)) != 0
}
