// Package service makes dc_client and dc_server well-behaved daemons on Linux: detaching, the pidfile, dropping
// privileges, signals and the limit of open descriptors. It knows nothing of sockets, flags or the protocol.
//
// # Detaching
//
// A Go process has many threads and cannot fork, so -daemon starts the program a second time:
//
//	parent (the command that was typed)           child (becomes the daemon)
//	───────────────────────────────────           ──────────────────────────
//	flags are valid, the user exists
//	Detach ── /proc/self/exe, same arguments ──▶  FindParent: not nil
//	   │      new session, stdio on /dev/null,    listen, pidfile, drop privileges
//	   │      pipe for reports on descriptor 0    Parent.Ready: cwd becomes /, descriptor 0 becomes /dev/null
//	   │  ◀────────── warnings, then ready ─────────┘  or Parent.Fail
//	   ▼
//	exit 0 on "ready", else 1 with the child's error on stderr
//
// The pipe is on descriptor 0 of the child because no code writes there by accident, and because the numbers from 3 on
// are for descriptors that were passed in (FD:n, systemd). The child gets no other inherited descriptors.
//
// The child keeps the working directory of the command until Ready, so a relative -pidfile or UNIX: path means the same
// with and without -daemon. A path that is opened again later (a certificate at SIGHUP, the socket that is removed at
// exit) must be made absolute while the flags are read. Pidfile needs no such care: it holds its directory open.
//
// A parent that is stopped by a signal stops the child as well. A child whose parent has died learns so from Ready, and
// ends: a daemon that was never reported as running does not run.
//
// # Standard descriptors
//
// The Go runtime opens /dev/null on each of 0, 1 and 2 that is closed at start, before any other code runs, and refuses
// to run where there is no /dev/null. A test here checks that; no code of ours is needed.
//
// # Privileges and cgo
//
// Linux keeps credentials per thread. Everything is set for all threads in a program without cgo (CGO_ENABLED=0, as the
// Makefile builds it). In one with cgo the user, the groups and the effective capabilities are still dropped in all
// threads, but no_new_privs and inheritable capabilities cannot be set there; User.Drop then returns a warning.
//
// # The environment of gnet
//
// Package gnetenv below this one keeps GNET_LOGGING_LEVEL and GNET_LOGGING_FILE from ending the program at start.
package service
