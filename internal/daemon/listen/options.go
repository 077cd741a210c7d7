package listen

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"distcache/codec/address"
	"distcache/engine/socket"
	"distcache/internal/daemon/options"
	"golang.org/x/sys/unix"
)

// DefaultBacklog is the number of connections that may wait to be accepted, unless Options says otherwise: room for a
// burst of that many connects, if net.core.somaxconn (4096 on Linux since 5.4) allows.
const DefaultBacklog = 4096

// Options are the settings of a socket. The zero value works with every kind of address.
//
// Owner, Group and Perms are what -sockowner, -sockgroup and -sockperms take, and "" where the flag is not given. For other
// addresses than UNIX: they do nothing, with a warning. As with dc_client 1.5, an Owner without Group also gives the file
// that user's primary group, and without Perms the mode is that of bind(2): 0777 less the umask at the start. Under the usual
// umask of 022 only the owner may then connect.
type Options struct {
	Owner   string // user name or numeric ID
	Group   string // group name or numeric ID
	Perms   string // octal, see ParsePerms
	Backlog int    // connections that may wait to be accepted; DefaultBacklog if 0 or less
}

// Declare adds the flags of a socket file to s.
func (o *Options) Declare(s *options.Set) {
	s.String(&o.Owner, "sockowner", "user", "", "Owner of the socket file of -listen UNIX:/path. Unless -sockgroup is given, the file also gets this user's group.")
	s.String(&o.Group, "sockgroup", "group", "", "Group of the socket file of -listen UNIX:/path.")
	s.Func("sockperms", "perms", "", "Octal permissions of the socket file; clients need write permission to connect.",
		func(text string) error {
			o.Perms = text
			_, err := ParsePerms(text)
			return err
		})
}

// unused tells which options do nothing for an address that is not UNIX:, or is "".
func (o Options) unused(addr address.Address) string {
	var flags []string
	for _, option := range []struct{ flag, value string }{
		{"-sockowner", o.Owner}, {"-sockgroup", o.Group}, {"-sockperms", o.Perms},
	} {
		if option.value != "" {
			flags = append(flags, option.flag)
		}
	}
	if flags == nil {
		return ""
	}
	return fmt.Sprintf("%s: no effect on -listen %s, as only a UNIX: address has a file", strings.Join(flags, ", "), addr)
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
	mode     uint32 // permission bits
	explicit bool   // whether -sockperms was given
	group    string // -sockgroup as given
}

// resolveAccess looks up the names in the options.
func resolveAccess(opt Options) (access, error) {
	want := access{uid: unchanged, gid: unchanged, mode: defaultMode(), group: opt.Group}
	var err error
	if opt.Owner != "" {
		if want.uid, want.gid, err = lookupUser("sockowner", opt.Owner); err != nil {
			return access{}, err
		}
		if !mayGiveTo(want.gid) {
			want.gid = unchanged // the group was not asked for
		}
	}
	if opt.Group != "" {
		if want.gid, err = lookupGroup("sockgroup", opt.Group); err != nil {
			return access{}, err
		}
	}
	if opt.Perms != "" {
		want.explicit = true
		want.mode, err = ParsePerms(opt.Perms)
	}
	return want, err
}

// defaultMode is the mode that bind(2) gives a socket file. The umask can only be read by setting it.
func defaultMode() uint32 {
	umask := unix.Umask(creationUmask)
	unix.Umask(umask)
	return 0o777 &^ uint32(umask)
}

// lookupUser returns the ID and the primary group of the user that a flag names. It tries the name first, as chown(1) does: a
// user may be named 1000. The group of a number without an account is unchanged.
func lookupUser(flag, text string) (uid, gid int, err error) {
	found, err := user.Lookup(text)
	id, numeric := numericID(text)
	if err != nil && numeric {
		byID, unknown := user.LookupId(strconv.Itoa(id))
		if unknown != nil {
			return id, unchanged, nil
		}
		found, err = byID, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("-%s %q: %w: %w", flag, text, ErrOwner, err)
	}
	if uid, err = strconv.Atoi(found.Uid); err == nil {
		gid, err = strconv.Atoi(found.Gid)
	}
	return uid, gid, err
}

func lookupGroup(flag, text string) (int, error) {
	found, err := user.LookupGroup(text)
	if err == nil {
		return strconv.Atoi(found.Gid)
	}
	if id, ok := numericID(text); ok {
		return id, nil
	}
	return 0, fmt.Errorf("-%s %q: %w: %w", flag, text, ErrGroup, err)
}

// numericID refuses the highest ID, which means "unchanged" to chown(2).
func numericID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uint32(id) == ^uint32(0) {
		return 0, false
	}
	return int(id), true
}

// warning tells of users who are meant to connect and cannot, for want of write permission, or is "".
func (a access) warning() string {
	switch {
	case a.explicit:
		return permsWarning(a.mode)
	case a.group != "" && a.mode&0o020 == 0:
		return fmt.Sprintf("-sockgroup %s: connecting needs write permission, and without -sockperms the group has none (the mode is %03o); "+
			"to let it connect use -sockperms 660", a.group, a.mode)
	}
	return ""
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

// maxAllowed is how many users, and how many groups, may be named. Each connection is compared with all of them.
const maxAllowed = 256

// Allow is what -allowuser and -allowgroup name: who may connect to a unix socket. The zero value lets all connect whom the
// file lets.
type Allow struct {
	Users  []string // names or numeric IDs
	Groups []string
}

// Declare adds the flags to s.
func (a *Allow) Declare(s *options.Set) {
	s.List("allowuser", "users", "", "Serve only these users over unix sockets: names or IDs, separated by commas; may be given "+
		"several times. Root is served only if named.",
		func(texts []string) error { return split(&a.Users, texts) })
	s.List("allowgroup", "groups", "", "Serve only members of these groups over unix sockets, and the users of -allowuser.",
		func(texts []string) error { return split(&a.Groups, texts) })
}

// split stores the names in the lists.
func split(names *[]string, lists []string) error {
	*names = nil
	for _, list := range lists {
		all := strings.Split(list, ",")
		if slices.Contains(all, "") {
			return fmt.Errorf("%q has an empty name", list)
		}
		*names = append(*names, all...)
	}
	if len(*names) > maxAllowed {
		return fmt.Errorf("at most %d names may be given, not %d", maxAllowed, len(*names))
	}
	return nil
}

// Flags names those of the flags that were given, and is "" where none was.
func (a Allow) Flags() string {
	switch {
	case a.Users == nil && a.Groups == nil:
		return ""
	case a.Groups == nil:
		return "-allowuser"
	case a.Users == nil:
		return "-allowgroup"
	}
	return "-allowuser, -allowgroup"
}

// Resolve looks the names up. It returns nil where no flag was given. The error wraps ErrOwner or ErrGroup.
func (a Allow) Resolve() (*socket.Access, error) {
	if a.Flags() == "" {
		return nil, nil
	}
	access := &socket.Access{}
	for _, name := range a.Users {
		uid, _, err := lookupUser("allowuser", name)
		if err != nil {
			return nil, err
		}
		access.Users = append(access.Users, uint32(uid))
	}
	for _, name := range a.Groups {
		gid, err := lookupGroup("allowgroup", name)
		if err != nil {
			return nil, err
		}
		access.Groups = append(access.Groups, uint32(gid))
	}
	return access, nil
}
