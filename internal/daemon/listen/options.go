package listen

import (
	"fmt"
	"os/user"
	"strconv"

	"distcache/codec/address"
)

// DefaultBacklog is the number of connections that may wait to be accepted, unless Options says otherwise: room for a
// burst of that many connects, if net.core.somaxconn (4096 on Linux since 5.4) allows.
const DefaultBacklog = 4096

// Options are the settings of a socket. The zero value works with every kind of address.
//
// Owner, Group and Perms are what -sockowner, -sockgroup and -sockperms take, and "" where the flag is not given. They
// work with UNIX: addresses only. Without Perms the mode is that of bind(2), as with dc_client 1.5:
// 0777 less the umask at the start. Under the usual umask of 022 only the owner may then connect.
type Options struct {
	Owner   string // user name or numeric ID
	Group   string // group name or numeric ID
	Perms   string // octal, see ParsePerms
	Backlog int    // connections that may wait to be accepted; DefaultBacklog if 0 or less
}

// Validate checks the options for this address. It does not look up Owner and Group. Its error wraps ErrOnlyUnix or
// ErrPerms, and the message starts with the flag.
func (o Options) Validate(addr address.Address) error {
	if addr.Kind == address.Unix {
		if o.Perms == "" {
			return nil
		}
		if _, err := ParsePerms(o.Perms); err != nil {
			return fmt.Errorf("-sockperms: %w", err)
		}
		return nil
	}
	for _, option := range []struct{ flag, value string }{
		{"-sockowner", o.Owner}, {"-sockgroup", o.Group}, {"-sockperms", o.Perms},
	} {
		if option.value != "" {
			return fmt.Errorf("%s: %w, and -listen is %s", option.flag, ErrOnlyUnix, addr)
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

// ParsePerms reads the permissions of a socket file, as -sockperms takes them: three octal digits, or four of which the
// first is 0. Its error wraps ErrPerms and quotes the text.
func ParsePerms(text string) (uint32, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || len(text) < 3 || len(text) > 4 || mode > 0o777 {
		return 0, fmt.Errorf("%q %w", text, ErrPerms)
	}
	return uint32(mode), nil
}

// unchanged is the ID that tells chown(2) to keep the owner or the group.
const unchanged = -1

// access is the owner, group and mode of a socket file to be.
type access struct {
	uid, gid int    // or unchanged
	mode     uint32 // permission bits; only if explicit
	explicit bool   // whether -sockperms was given
}

// resolveAccess looks up the names in the options.
func resolveAccess(opt Options) (access, error) {
	want := access{uid: unchanged, gid: unchanged}
	var err error
	if opt.Owner != "" {
		if want.uid, err = lookupUser(opt.Owner); err != nil {
			return access{}, err
		}
	}
	if opt.Group != "" {
		if want.gid, err = lookupGroup(opt.Group); err != nil {
			return access{}, err
		}
	}
	if opt.Perms != "" {
		want.explicit = true
		want.mode, err = ParsePerms(opt.Perms)
	}
	return want, err
}

// lookupUser tries the name first, as chown(1) does: a user may be named 1000.
func lookupUser(text string) (int, error) {
	found, err := user.Lookup(text)
	if err == nil {
		return strconv.Atoi(found.Uid)
	}
	if id, ok := numericID(text); ok {
		return id, nil
	}
	return 0, fmt.Errorf("-sockowner %q: %w: %w", text, ErrOwner, err)
}

func lookupGroup(text string) (int, error) {
	found, err := user.LookupGroup(text)
	if err == nil {
		return strconv.Atoi(found.Gid)
	}
	if id, ok := numericID(text); ok {
		return id, nil
	}
	return 0, fmt.Errorf("-sockgroup %q: %w: %w", text, ErrGroup, err)
}

// numericID refuses the highest ID, which means "unchanged" to chown(2).
func numericID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uint32(id) == ^uint32(0) {
		return 0, false
	}
	return int(id), true
}

// warning tells of a -sockperms that grants read permission without write permission, or is "".
func (a access) warning() string {
	if !a.explicit {
		return ""
	}
	return permsWarning(a.mode)
}

func permsWarning(mode uint32) string {
	const read, write = 0o444, 0o222
	better := mode | (mode&read)>>1&write
	if better == mode {
		return ""
	}
	return fmt.Sprintf("-sockperms %03o: connecting needs write permission, and some users get read permission only; "+
		"to let them connect use %03o", mode, better)
}
