package daemon

import (
	"fmt"

	"distcache/codec/address"
	"distcache/internal/daemon/listen"
)

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
