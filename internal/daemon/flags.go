package daemon

import (
	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/options"
)

// Flags are those that both daemons have.
type Flags struct {
	Daemon   bool
	User     string
	Listen   address.Address
	Socket   listen.Options
	Pidfile  string
	Killable bool
	Check    bool // tell whether a start would succeed, and end
}

// Declare adds the flags to s. listenOn is the default of -listen.
func (f *Flags) Declare(s *options.Set, listenOn string) {
	s.Func("listen", "address", listenOn, "Listen for clients here: UNIX:/path, IP:port, IP:host:port, FD:n or systemd.",
		func(text string) (err error) {
			f.Listen, err = address.ParseListen(text)
			return err
		})
	s.String(&f.Socket.Owner, "sockowner", "user", "", "Owner of the unix socket to listen on.")
	s.String(&f.Socket.Group, "sockgroup", "group", "", "Group of the unix socket to listen on.")
	s.Func("sockperms", "perms", "", "Permissions of the unix socket to listen on, in octal; connecting takes write permission.",
		func(text string) error {
			f.Socket.Perms = text
			_, err := listen.ParsePerms(text)
			return err
		})
	s.Bool(&f.Daemon, "daemon", "Detach once everything is set up; log to syslog then.")
	s.String(&f.User, "user", "user", "", "Run as this user once the socket is open.")
	s.String(&f.Pidfile, "pidfile", "path", "", "Write the process ID to this file.")
	s.Bool(&f.Killable, "killable", "End cleanly on SIGUSR1 and SIGUSR2, which are ignored otherwise.")
	s.Bool(&f.Check, "check", "Tell whether a start would succeed, print the values in force, and exit with 0 or 2; "+
		"nothing is bound, written or removed.")
}

// firstPassed is the number of the first descriptor that systemd passes.
const firstPassed = 3

// passed is the inherited descriptors that the daemon needs.
func (f *Flags) passed() []int {
	switch f.Listen.Kind {
	case address.Descriptor:
		return []int{f.Listen.FD}
	case address.Systemd:
		return []int{firstPassed}
	}
	return nil
}

// Validate finds what is wrong with the flags together: a *options.UsageError.
func (f *Flags) Validate() error {
	if err := f.Socket.Validate(f.Listen); err != nil {
		return &options.UsageError{Reason: err.Error()}
	}
	return f.ValidatePath("listen", f.Listen)
}

// ValidatePath refuses a path that would mean another one in the daemon, whose working
// directory is /: a *options.UsageError about the flag that gave it.
func (f *Flags) ValidatePath(flag string, a address.Address) error {
	if !f.Daemon || !a.IsRelative() {
		return nil
	}
	return &options.UsageError{Flag: flag, Value: a.String(),
		Reason: a.String() + " is a relative path, and -daemon changes to /: give the whole path"}
}
