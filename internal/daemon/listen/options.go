package listen

import (
	"fmt"

	"distcache/codec/address"
)

// DefaultBacklog is how many connections may wait to be accepted when Options does not say. A burst of that many
// connects finds room, if net.core.somaxconn (4096 on Linux since 5.4) allows.
const DefaultBacklog = 4096

// Options says how a socket is opened. The zero value is right for every kind of address.
//
// Owner, Group and Perms are what -sockowner, -sockgroup and -sockperms take, and "" where the flag is not given. They
// are for UNIX: addresses alone. Without Perms the mode is what bind(2) gives by itself and dc_client 1.5 left in place:
// 0777 less the umask at the start. Under the usual umask of 022 only the owner may then connect.
type Options struct {
	Owner   string // user name or numeric id
	Group   string // group name or numeric id
	Perms   string // octal, see ParsePerms
	Backlog int    // connections that may wait to be accepted; DefaultBacklog if 0 or less
}

// Validate tells what is wrong with the options for this address, before anything is touched. It does not look up Owner
// and Group. Its message starts with the flag, and its error wraps ErrOnlyUnix or ErrPerms.
func (o Options) Validate(addr address.Address) error {
	if addr.Kind != address.Unix {
		return o.refuseAll(addr)
	}
	if o.Perms == "" {
		return nil
	}
	if _, err := ParsePerms(o.Perms); err != nil {
		return fmt.Errorf("-sockperms: %w", err)
	}
	return nil
}

func (o Options) refuseAll(addr address.Address) error {
	for _, option := range []struct{ flag, value string }{
		{"-sockowner", o.Owner}, {"-sockgroup", o.Group}, {"-sockperms", o.Perms},
	} {
		if option.value != "" {
			return fmt.Errorf("%s: %w, and the address to listen on is %s", option.flag, ErrOnlyUnix, addr)
		}
	}
	return nil
}

func (o Options) backlog() int {
	if o.Backlog <= 0 {
		return DefaultBacklog
	}
	return o.Backlog
}
