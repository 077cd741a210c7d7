package listen

import "errors"

var (
	// ErrInUse is returned by Open when somebody listens on the address already.
	ErrInUse = errors.New("somebody listens there already")
	// ErrOccupied is returned by Open when something other than a socket stands at the path. It is left alone.
	ErrOccupied = errors.New("it is in the way: remove it, or listen on another path")
	// ErrUnclear is returned by Open when a socket stands at the path and connecting to it fails in a way that does not
	// tell whether anybody answers. It is left alone.
	ErrUnclear = errors.New("a socket stands there, and it cannot be told whether anybody answers on it " +
		"(remove it if no process does)")
	// ErrLocked is returned by Open and Unlink when another process holds the lock on the socket's folder for too long.
	ErrLocked = errors.New("another process holds the lock on it: is another start under way?")
	// ErrReplaced is returned by Open and Check when the path holds another file than the socket that was bound to it.
	ErrReplaced = errors.New("another file has taken the place of the socket")
	// ErrGone is returned by Open and Check when the path holds nothing any more.
	ErrGone = errors.New("the socket file is gone")
	// ErrNotTaken is returned by Open when the file system silently kept another owner or mode than was set.
	ErrNotTaken = errors.New("the file system did not take the owner or permissions")

	// ErrPerms is returned by ParsePerms.
	ErrPerms = errors.New("is not an octal mode from 000 to 777, such as 660")
	// ErrOwner is returned by Open when an owner is neither a known user nor a numeric id.
	ErrOwner = errors.New("neither a known user nor a numeric id")
	// ErrGroup is returned by Open when a group is neither a known group nor a numeric id.
	ErrGroup = errors.New("neither a known group nor a numeric id")
	// ErrOnlyUnix is returned by Options.Validate when an owner, group or mode is asked for on another kind of address.
	ErrOnlyUnix = errors.New("it is only for UNIX: addresses")

	// ErrNotListening is returned by Open when a descriptor that was passed in is no listening stream socket.
	ErrNotListening = errors.New("it is not a listening stream socket")
	// ErrNothingPassed is returned by Open when the environment does not say that systemd passed this process one socket.
	ErrNothingPassed = errors.New("systemd did not pass one socket to this process")
	// ErrNoAddress is returned by Open when a host name has no address of the wanted family.
	ErrNoAddress = errors.New("the host name has no address of that family")
)
