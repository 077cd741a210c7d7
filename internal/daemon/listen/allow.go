package listen

import (
	"fmt"
	"slices"
	"strings"

	"distcache/engine/socket"
	"distcache/internal/daemon/options"
)

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
	s.List("allowuser", "users", "", "Serve only these users over unix sockets: names or IDs with commas between; may be given "+
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
		return fmt.Errorf("%q is one of %d names, and %d are the most", lists[len(lists)-1], len(*names), maxAllowed)
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
