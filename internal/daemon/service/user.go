package service

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// User is an account to run as.
type User struct {
	Name     string // as given to -user
	UID, GID int
	Groups   []int // all groups of the user, GID among them, ascending
}

// LookupUser finds the account called name, or with that number as its ID, for Drop. It changes nothing and belongs with
// the checks of the command line. ErrSuperuser is returned for user ID 0, ErrNeedRoot when this process is not root, and
// a number without an account is refused, since its groups cannot be known.
func LookupUser(name string) (User, error) {
	account, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) {
		// The error that counts stays "unknown user": of a name, the other says that it is no number.
		if byID, failed := user.LookupId(name); failed == nil {
			account, err = byID, nil
		}
	}
	if err != nil {
		return User{}, fmt.Errorf("-user %s: %w", name, err)
	}
	u, err := newUser(name, account)
	switch {
	case err != nil:
	case u.UID == 0:
		err = ErrSuperuser
	case os.Geteuid() != 0:
		err = ErrNeedRoot
	}
	if err != nil {
		return User{}, fmt.Errorf("-user %s: %w", name, err)
	}
	return u, nil
}

// newUser adds the groups of an account.
func newUser(name string, account *user.User) (User, error) {
	groups, err := account.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("cannot find its groups: %w", err)
	}
	ids, err := parseIDs(append(groups, account.Uid, account.Gid))
	if err != nil {
		return User{}, err
	}
	u := User{Name: name, UID: ids[len(ids)-2], GID: ids[len(ids)-1]}
	u.Groups = append(ids[:len(ids)-2], u.GID)
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	return u, nil
}

// parseIDs turns decimal IDs into numbers.
func parseIDs(texts []string) ([]int, error) {
	ids := make([]int, 0, len(texts))
	for _, text := range texts {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil || id == math.MaxUint32 { // (uid_t)-1 means "leave as it is" to the kernel
			return nil, fmt.Errorf("ID %q is not a number below 4294967295", text)
		}
		ids = append(ids, int(id))
	}
	return ids, nil
}
