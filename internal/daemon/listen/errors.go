package listen

import "errors"

var (
	// ErrInUse is returned by Open when another process listens on the address.
	ErrInUse = errors.New("another process listens there")
	// ErrOccupied is returned by Open when the path is something other than a socket, which is left alone.
	ErrOccupied = errors.New("remove it, or listen on another path")
	// ErrUnclear is returned by Open when the path is a socket, and connecting to it fails in a way that does not tell
	// whether a process listens. The socket is left alone.
	ErrUnclear = errors.New("the path is a socket, and it is unclear whether a process listens on it; if none does, remove it")
	// ErrLocked is returned by Open, Unlink and LockName when another process of this user holds the lock for too long.
	ErrLocked = errors.New("locked by another process: is another daemon starting there?")
	// ErrReplaced is returned by Open and Check when the path holds another file than the socket that was bound to it.
	ErrReplaced = errors.New("another file has replaced the socket file")
	// ErrGone is returned by Open and Check when the path holds no file any more.
	ErrGone = errors.New("the socket file is gone")
	// ErrNotTaken is returned by Open when the file system silently kept another owner or mode than was set.
	ErrNotTaken = errors.New("the file system ignored the owner or the permissions")

	// ErrPerms is returned by ParsePerms.
	ErrPerms = errors.New("is not an octal mode from 000 to 777, such as 660")
	// ErrOwner is returned by Inspect and Allow.Resolve when a user is neither a known user nor a numeric ID.
	ErrOwner = errors.New("neither a known user nor a numeric ID")
	// ErrGroup is returned by Inspect and Allow.Resolve when a group is neither a known group nor a numeric ID.
	ErrGroup = errors.New("neither a known group nor a numeric ID")

	// ErrNotListening is returned by Inspect when a descriptor that was passed in is no listening stream socket.
	ErrNotListening = errors.New("not a listening stream socket")
	// ErrNothingPassed is returned when the environment does not say that systemd passed this process the socket that is
	// wanted.
	ErrNothingPassed = errors.New("systemd passed no socket to this process")
	// ErrNoAddress is returned by Inspect when a host name has no address of the wanted family.
	ErrNoAddress = errors.New("the host name has no address of that family")
	// ErrNoUnix is returned, or its text is, when -allowuser or -allowgroup is given without a unix socket to listen on.
	ErrNoUnix = errors.New("no -listen is a unix socket, and over TCP the kernel does not tell who connects")
)
