package daemon

import (
	"fmt"
	"io"
	"slices"

	"distcache/codec/address"
	"distcache/engine/socket"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/options"
	"distcache/internal/daemon/service"
	"golang.org/x/sys/unix"
)

// plan is a start that has been inspected and not carried out yet: nothing that outlives
// the process has changed.
type plan struct {
	user     *service.User    // nil: keep the user
	listen   []*listen.Plan   // in the order of -listen, then of Config.Doors
	doors    []door           // what the last of them are for
	open     []string         // the flags and addresses of those that are no unix sockets
	metrics  *listen.Plan     // nil: no HTTP server
	keep     *listen.Plan     // nil: no unix socket for the next process
	access   *socket.Access   // who may connect to unix sockets; nil: all
	pidfile  *service.Pidfile // nil: none
	warnings []string
}

// inspect looks up all that a start needs. It fits MaxClients to the limit of descriptors.
func (c *Config) inspect() (*plan, error) {
	p := &plan{}
	if err := p.inspect(c); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *plan) inspect(c *Config) error {
	warning, err := c.fitDescriptors()
	if err != nil {
		return err
	}
	p.warn(warning, c.memoryWarning(), c.rlimitWarning(unix.Getrlimit))
	p.warn(c.Warnings...)
	p.warn(c.Flags.configWarning())
	if c.Flags.Dumpable {
		p.warn("-dumpable: core dumps and debuggers of the same user can read sessions; use it for debugging only")
	}
	if c.Flags.User != "" {
		user, err := service.LookupUser(c.Flags.User)
		if err != nil {
			return err
		}
		p.warn(user.Warning())
		if !user.Kept {
			p.user = &user
		}
	}
	var warnings []string
	p.listen, warnings, err = listen.InspectAll(c.Flags.Listen, c.Flags.socketOptions)
	if p.warn(warnings...); err != nil {
		return err
	}
	if err := p.inspectDoors(c); err != nil {
		return err
	}
	if c.Flags.Metrics.on() {
		p.warn(c.Flags.Metrics.warning())
		if p.metrics, err = listen.Inspect(c.Flags.Metrics.Address, listen.Options{Backlog: metricsBacklog}); err != nil {
			return fmt.Errorf("-metrics %w", err)
		}
	}
	if h := c.Handover; h != nil && h.at.Kind == address.Unix {
		if p.keep, err = listen.Inspect(h.at, listen.Options{Perms: handoverPerms, Backlog: handoverDescriptors}); err != nil {
			return fmt.Errorf("-keep %w", err)
		}
	}
	for n, planned := range p.listen {
		if !planned.IsUnix() {
			p.open = append(p.open, fmt.Sprintf("-%s %s", p.flagOf(n), planned.Address()))
		}
	}
	p.access, warnings, err = p.resolveAccess(c.Flags.Allow)
	if p.warn(warnings...); err != nil {
		return err
	}
	if c.Flags.Pidfile != "" {
		p.pidfile, err = service.OpenPidfile(c.Flags.Pidfile)
	}
	return err
}

// resolveAccess looks up who may connect. Sockets that are not unix sockets serve all, which is
// worth a warning, and a mistake where there is no other socket.
func (p *plan) resolveAccess(allow listen.Allow) (access *socket.Access, warnings []string, err error) {
	if access, err = allow.Resolve(); err != nil || access == nil {
		return nil, nil, err
	}
	if len(p.open) == len(p.listen) {
		return nil, nil, fmt.Errorf("%s: %w", allow.Flags(), listen.ErrNoUnix)
	}
	for _, address := range p.open {
		warnings = append(warnings, fmt.Sprintf("%s: no effect on %s, where all clients are served: "+
			"over TCP the kernel does not tell who connects", allow.Flags(), address))
	}
	return access, warnings, nil
}

// check looks for reasons why the plan would fail. A start does not call it: there the
// kernel decides.
func (p *plan) check(c Config) error {
	for _, socket := range p.sockets() {
		warnings, err := socket.Check()
		p.warn(warnings...)
		if err != nil {
			return err
		}
	}
	if p.pidfile != nil {
		warning, err := p.pidfile.Check()
		p.warn(warning)
		if err != nil {
			return err
		}
	}
	if c.Check == nil {
		return nil
	}
	warnings, err := c.Check()
	p.warn(warnings...)
	return err
}

// rlimitWarning tells that a limit of the process is below the memory bound, or is "". Under
// such a limit the kernel refuses memory that the flags allow.
func (c Config) rlimitWarning(get func(resource int, limit *unix.Rlimit) error) string {
	for _, r := range []struct {
		resource   int
		name, flag string
	}{{unix.RLIMIT_DATA, "RLIMIT_DATA", "-d"}, {unix.RLIMIT_AS, "RLIMIT_AS", "-v"}} {
		var limit unix.Rlimit
		if err := get(r.resource, &limit); err != nil || limit.Cur >= uint64(c.MemoryBound()) {
			continue
		}
		return fmt.Sprintf("the memory bound is %d MiB, but %s is %d MiB: memory runs out before the limits of the flags are reached; "+
			"raise it (ulimit %s)", Mebibytes(c.MemoryBound()), r.name, limit.Cur>>20, r.flag)
	}
	return ""
}

func (p *plan) warn(texts ...string) {
	for _, text := range texts {
		if text != "" {
			p.warnings = append(p.warnings, text)
		}
	}
}

// sockets is the plans of all sockets to listen on.
func (p *plan) sockets() []*listen.Plan {
	if p.metrics == nil {
		return p.listen
	}
	return append(slices.Clone(p.listen), p.metrics)
}

// close closes the descriptors of inspect. A pidfile that was written stays.
func (p *plan) close() {
	for _, socket := range p.sockets() {
		socket.Close()
	}
	if p.keep != nil {
		p.keep.Close()
	}
	if p.pidfile != nil {
		p.pidfile.Close()
	}
}

// Check is -check: it tells whether a start would succeed, as far as that shows without an
// attempt. It binds, removes, writes and forks nothing. It prints the values in force to
// stdout and warnings to stderr, and returns the exit code: 0, or 2 when a start would
// fail, with the reason on stderr.
func Check(c Config, s *options.Set, stdout, stderr io.Writer) int {
	p, err := c.inspect()
	if err == nil {
		defer p.close()
		err = p.check(c)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", c.Program, err)
		return options.ExitUsage
	}
	for _, w := range p.warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", c.Program, w)
	}
	if _, err := fmt.Fprintf(stdout, "%s: check passed\n%s%s%s", c.Program, s.Values(), c.arithmetic(), c.kernelMemory(readSysctl).arithmetic()); err != nil {
		fmt.Fprintf(stderr, "%s: standard output: %v\n", c.Program, err)
		return options.ExitFailed
	}
	return options.ExitClean
}

// Door is where clients connect that speak another protocol than those of -listen.
type Door struct {
	Flag   string // without the hyphen
	Listen []address.Address
}

// doorPerms are the permissions of a socket file of a Door, unless -sockperms gives others.
const doorPerms = "0660"

// door is a planned socket of a Door.
type door struct {
	flag  string
	front uint8 // as Listener.Front
}

// doorAddresses lists the addresses of all Doors.
func (c *Config) doorAddresses() (all []address.Address) {
	for _, d := range c.Doors {
		all = append(all, d.Listen...)
	}
	return all
}

// inspectDoors plans the sockets of the Doors, behind those of -listen.
func (p *plan) inspectDoors(c *Config) error {
	for n, d := range c.Doors {
		for _, addr := range d.Listen {
			options := c.Flags.socketOptions(addr)
			if addr.Kind != address.Unix {
				options = listen.Options{Backlog: options.Backlog}
			} else if options.Perms == "" {
				options.Perms = doorPerms
			}
			planned, err := listen.Inspect(addr, options)
			if err != nil {
				return fmt.Errorf("-%s %w", d.Flag, err)
			}
			p.listen = append(p.listen, planned)
			p.doors = append(p.doors, door{flag: d.Flag, front: uint8(n + 1)})
		}
	}
	return nil
}

// doorOf is the door that the nth socket belongs to, or nil.
func (p *plan) doorOf(n int) *door {
	if first := len(p.listen) - len(p.doors); n >= first {
		return &p.doors[n-first]
	}
	return nil
}

// flagOf is the flag of the nth socket.
func (p *plan) flagOf(n int) string {
	if d := p.doorOf(n); d != nil {
		return d.flag
	}
	return "listen"
}

// frontOf is the front that the clients of the nth socket come through.
func (p *plan) frontOf(n int) uint8 {
	if d := p.doorOf(n); d != nil {
		return d.front
	}
	return 0
}
