// Package listen opens the socket of -listen and hands out a raw descriptor, non-blocking and close-on-exec.
//
// A start takes two steps: Inspect looks everything up and yields a Plan, Plan.Open carries it out. -check takes the
// first step and then asks Plan.Check what would go wrong.
//
// For a UNIX: address Open promises:
//
//   - At no instant is the socket more open than was asked for. The file is created with the owner's part of the
//     permissions alone, gets its owner, then its mode, and only then does the socket listen. Both halves are needed: the
//     kernel looks at the mode first and at whether the socket listens later, so a connect(2) that began while the mode
//     was too open can still get in after a chmod(2) and listen(2).
//   - A file at the path is removed only if it is a socket on which no process listens.
//   - Owner and mode are set on the file that bind(2) made, through a descriptor of it, never through its name.
//   - Of several processes of one user that start at once on one path, exactly one wins: a lock on the path is held from
//     the look at it to listen(2). No other user can hold that lock.
//   - The socket file is removed at the end only while it is the very file that was made at the start.
//
// The steps of Open, in order:
//
//	lock the path      ─▶ look at the path ─▶ bind ─▶ chown ─▶ chmod ─▶ check all of it ─▶ listen ─▶ unlock
//	                      (remove if dead)    umask 077
package listen
