package listen

import (
	"fmt"
	"os/user"
	"strconv"
)

// unchanged is the id that tells chown(2) to keep what is there.
const unchanged = -1

// access is the owner, group and mode that a socket file is to have.
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

// lookupUser prefers the name, as chown(1) does: a user may be named 1000.
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

// numericID refuses the highest id, by which chown(2) means: unchanged.
func numericID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uint32(id) == ^uint32(0) {
		return 0, false
	}
	return int(id), true
}
