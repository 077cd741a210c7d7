package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// unprivilegedFile holds the first port that anybody may bind.
const unprivilegedFile = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// Judge tells whether Open would succeed, without binding, creating or removing anything. At most it resolves a host
// name, and connects to a socket that stands at the path. Somebody who listens there already is a warning, as that may be
// the daemon that is to be replaced. The errors are those of Open; the message starts with the address. What only the
// attempt can tell (a TCP port in use, a full disk) stays open.
func Judge(addr address.Address, opt Options) (warnings []string, err error) {
	if err = opt.Validate(addr); err == nil {
		switch addr.Kind {
		case address.Unix:
			warnings, err = judgeUnix(addr, opt)
		case address.TCP:
			err = judgeTCP(addr)
		case address.Descriptor:
			err = checkListening(addr.FD)
		default:
			warnings, err = judgeSystemd()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return warnings, nil
}

func judgeUnix(addr address.Address, opt Options) (warnings []string, err error) {
	want, err := resolveAccess(opt)
	if err != nil {
		return nil, err
	}
	if err := want.permitted(); err != nil {
		return nil, err
	}
	dir, err := openFolder(addr.Path)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	if err := unix.Faccessat(dir.fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return nil, fmt.Errorf("cannot create the socket in folder %s: %w", dir.name, os.NewSyscallError("faccessat", err))
	}
	if want.explicit {
		warnings = append(warnings, permsWarning(want.mode))
	}
	err = dir.judge()
	if errors.Is(err, ErrInUse) {
		warnings = append(warnings, addr.String()+": "+ErrInUse.Error()+": a start is refused until that ends")
		err = nil
	}
	return slices.DeleteFunc(warnings, func(w string) bool { return w == "" }), err
}

// judge is clear, but for the removal.
func (d *folder) judge() error {
	there, err := d.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if there.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("%s stands there: %w", FileKind(there.Mode), ErrOccupied)
	}
	return probe(d.path)
}

// permitted tells whether this process may give a file of its own that owner and group: root may, and others their own.
func (a access) permitted() error {
	if os.Geteuid() == 0 || a.uid == unchanged && a.gid == unchanged {
		return nil
	}
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	mine := append(groups, os.Getegid(), unchanged)
	if (a.uid == unchanged || a.uid == os.Geteuid()) && slices.Contains(mine, a.gid) {
		return nil
	}
	return fmt.Errorf("-sockowner, -sockgroup: cannot give the socket to %s: %w", ownerText(a.uid, a.gid), fs.ErrPermission)
}

// judgeTCP wants one of the addresses on this machine, and a port that may be bound.
func judgeTCP(addr address.Address) error {
	endpoints, err := endpointsOf(addr)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(endpoints, endpoint.local) {
		return fmt.Errorf("the address is not one of this machine: %w", unix.EADDRNOTAVAIL)
	}
	limit, err := os.ReadFile(unprivilegedFile)
	if err != nil {
		return nil // without /proc only the attempt can tell
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err == nil && addr.Port > 0 && int(addr.Port) < first && os.Geteuid() != 0 {
		return fmt.Errorf("ports below net.ipv4.ip_unprivileged_port_start are for root: %w", unix.EACCES)
	}
	return nil
}

// local reports whether the address is on this machine, as far as can be told.
func (e endpoint) local() bool {
	if e.ip.IsUnspecified() || e.ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == e.ip.WithZone("")
	})
}

// judgeSystemd takes it for right that nothing was passed where no socket unit started this process.
func judgeSystemd() (warnings []string, err error) {
	if os.Getenv("LISTEN_PID") == "" {
		return []string{"systemd: no socket was passed to this process, so what a socket unit will pass is not checked"}, nil
	}
	if err := systemdPassedOne(); err != nil {
		return nil, err
	}
	if err := checkListening(systemdFirstFD); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", systemdFirstFD, err)
	}
	return nil, nil
}
