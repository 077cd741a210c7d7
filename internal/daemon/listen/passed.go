package listen

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"distcache/codec/address"
)

const (
	// systemdFirstFD is the descriptor of the first socket that systemd passes,
	// SD_LISTEN_FDS_START of sd_listen_fds(3).
	systemdFirstFD = 3
	// maxPassed is more sockets than a daemon of ours has use for. A greater LISTEN_FDS is
	// refused.
	maxPassed = 64
)

// StoredName is the name of a descriptor that is no socket: an earlier process of the service left
// it in systemd's descriptor store.
const StoredName = "distcache-sessions"

// passed is what systemd passed to this process, by sd_listen_fds(3). The zero value is
// nothing.
type passed struct {
	names []string // those of the descriptors from systemdFirstFD on; "" where there is none
	// absent says that this process was not started by a socket unit. It is no error for -check,
	// which is often run by hand.
	absent error
}

// readPassed reads the environment.
func readPassed() (passed, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid == "" {
		return passed{absent: fmt.Errorf("%w: LISTEN_PID is not set (was this started by a socket unit?)", ErrNothingPassed)}, nil
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return passed{}, fmt.Errorf("%w: LISTEN_PID is %q, but this is process %d", ErrNothingPassed, pid, os.Getpid())
	}
	n, err := strconv.ParseUint(count, 10, 31)
	if err != nil || n < 1 || n > maxPassed {
		return passed{}, fmt.Errorf("%w: LISTEN_FDS is %q, not 1 to %d", ErrNothingPassed, count, maxPassed)
	}
	p := passed{names: make([]string, n)}
	copy(p.names, strings.Split(os.Getenv("LISTEN_FDNAMES"), ":"))
	return p, nil
}

// forget unsets the variables, so that no child process takes the sockets for its own.
func forget() error {
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return nil
}

// descriptors returns those that an address of kind Systemd means.
func (p passed) descriptors(addr address.Address) []int {
	var fds []int
	for i, name := range p.names {
		if addr.Name == "" && name != StoredName || addr.Name == name {
			fds = append(fds, systemdFirstFD+i)
		}
	}
	return fds
}

// Passed returns the descriptors of the sockets that an address of kind Systemd means, and
// leaves the environment as it is. It returns none where Inspect would fail.
func Passed(addr address.Address) []int {
	p, err := readPassed()
	if err != nil {
		return nil
	}
	return p.descriptors(addr)
}

// Stored returns the descriptors that an earlier process of the service left (StoredName). Call it
// before Inspect, which unsets the environment.
func Stored() []int { return Passed(address.Address{Kind: address.Systemd, Name: StoredName}) }

// inspect makes a plan for each socket that the address means; without any, one that fails
// at Open.
func (p passed) inspect(addr address.Address, opt Options) ([]*Plan, error) {
	if p.absent != nil {
		return []*Plan{{addr: addr, notPassed: p.absent}}, nil
	}
	fds := p.descriptors(addr)
	if len(fds) == 0 {
		return nil, fmt.Errorf("%s: %w of that name, but: %s", addr, ErrNothingPassed, quoteAll(p.names))
	}
	var plans []*Plan
	for _, fd := range fds {
		if err := checkListening(fd); err != nil {
			return nil, fmt.Errorf("%s: descriptor %d: %w", addr, fd, err)
		}
		plans = append(plans, &Plan{addr: addr, fd: fd})
	}
	plans[0].warn(opt.unused(addr))
	return plans, nil
}

// untaken warns of the sockets that no plan takes over: their clients would wait for ever.
func (p passed) untaken(plans []*Plan) (warnings []string) {
	taken := map[int]bool{}
	for _, plan := range plans {
		taken[plan.fd] = true
	}
	for i, name := range p.names {
		if fd := systemdFirstFD + i; !taken[fd] && name != StoredName {
			warnings = append(warnings, fmt.Sprintf("systemd passed descriptor %d (%s), and no -listen takes it: "+
				"clients that connect to it wait for ever", fd, name))
		}
	}
	return warnings
}

func quoteAll(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, strconv.Quote(name))
	}
	return strings.Join(quoted, ", ")
}
