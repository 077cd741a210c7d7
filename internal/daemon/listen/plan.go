package listen

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

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

// Inspect makes the plan for an address. It reads and looks up: users, groups, a host name, the directory of the socket
// file, what was passed in. It creates, binds and removes nothing. The variables by which systemd passes a socket are
// unset, so that no child process takes them for its own. The errors that it wraps are those of errors.go and of the
// system calls; the message starts with the address.
func Inspect(addr address.Address, opt Options) (*Plan, error) {
	p := &Plan{addr: addr, backlog: opt.backlog()}
	if err := p.inspect(opt); err != nil {
		return nil, p.named(err)
	}
	return p, nil
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
	case address.Descriptor:
		p.fd = p.addr.FD
		err = checkListening(p.fd)
	default:
		err = p.inspectSystemd()
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
	case p.addr.Kind == address.TCP:
		return false
	}
	return socket.IsUnix(p.fd)
}

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

func (p *Plan) warn(line string) {
	if line != "" {
		p.warnings = append(p.warnings, line)
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
		warning = "systemd: no socket was passed to this process, so the one of the socket unit is not checked"
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

// systemdFirstFD is the descriptor of the first socket that systemd passes, SD_LISTEN_FDS_START of sd_listen_fds(3).
const systemdFirstFD = 3

// inspectSystemd follows sd_listen_fds(3) for exactly one socket.
func (p *Plan) inspectSystemd() error {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	switch {
	case pid == "":
		// -check is often run by hand, where nothing is passed.
		p.notPassed = fmt.Errorf("%w: LISTEN_PID is not set (was this started by a socket unit?)", ErrNothingPassed)
		return nil
	case pid != strconv.Itoa(os.Getpid()):
		return fmt.Errorf("%w: LISTEN_PID is %q, but this is process %d", ErrNothingPassed, pid, os.Getpid())
	case count != "1":
		return fmt.Errorf("%w: LISTEN_FDS is %q, not 1", ErrNothingPassed, count)
	}
	p.fd = systemdFirstFD
	if err := checkListening(p.fd); err != nil {
		return fmt.Errorf("descriptor %d: %w", p.fd, err)
	}
	return nil
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
	return &Socket{FD: fd, addr: addr}, nil
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
