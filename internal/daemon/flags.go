package daemon

import (
	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/options"
)

// Flags are the flags that both daemons have.
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
	s.Func("listen", "address", listenOn, "Address to listen on: UNIX:/path, IP:port, IP:host:port, FD:n or systemd.",
		func(text string) (err error) {
			f.Listen, err = address.ParseListen(text)
			return err
		})
	s.String(&f.Socket.Owner, "sockowner", "user", "", "Owner of the socket file of -listen UNIX:/path.")
	s.String(&f.Socket.Group, "sockgroup", "group", "", "Group of the socket file of -listen UNIX:/path.")
	s.Func("sockperms", "perms", "", "Octal permissions of the socket file; clients need write permission to connect.",
		func(text string) error {
			f.Socket.Perms = text
			_, err := listen.ParsePerms(text)
			return err
		})
	s.Bool(&f.Daemon, "daemon", "Run in the background, logging to syslog; the command returns once clients can connect.")
	s.String(&f.User, "user", "user", "", "Run as this user after opening the socket.")
	s.String(&f.Pidfile, "pidfile", "path", "", "Write the process ID to this file.")
	s.Bool(&f.Killable, "killable", "Stop cleanly on SIGUSR1 and SIGUSR2 instead of ignoring them.")
	s.Bool(&f.Check, "check", "Check whether a start would succeed, print the settings and exit with 0 or 2; "+
		"nothing is bound, written or removed.")
}

// firstPassed is the number of the first descriptor that systemd passes.
const firstPassed = 3

// passed lists the inherited descriptors that the daemon needs.
func (f *Flags) passed() []int {
	switch f.Listen.Kind {
	case address.Descriptor:
		return []int{f.Listen.FD}
	case address.Systemd:
		return []int{firstPassed}
	}
	return nil
}

// Validate checks the flags against each other. Its error is a *options.UsageError.
func (f *Flags) Validate() error {
	if err := f.Socket.Validate(f.Listen); err != nil {
		return &options.UsageError{Reason: err.Error()}
	}
	return f.ValidatePath("listen", f.Listen)
}

// ValidatePath refuses a relative path of the flag with -daemon, which changes the working
// directory to /. Its error is a *options.UsageError.
func (f *Flags) ValidatePath(flag string, a address.Address) error {
	if !f.Daemon || !a.IsRelative() {
		return nil
	}
	return &options.UsageError{Flag: flag, Value: a.String(),
		Reason: a.String() + " is a relative path, but -daemon changes the working directory to /: give an absolute path"}
}
