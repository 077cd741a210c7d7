package service

import "errors"

var (
	// ErrInterrupted is returned when a signal stopped the parent before the daemon was ready.
	ErrInterrupted = errors.New("stopped by a signal before the daemon was ready")
	// ErrNotReady is returned when the daemon reported nothing within 30 seconds.
	ErrNotReady = errors.New("the daemon was not ready in time")
	// ErrSilent is returned when the daemon ended without a report.
	ErrSilent = errors.New("the daemon ended without a word")
	// ErrParentGone is returned to the daemon when nobody waits for its report any more.
	ErrParentGone = errors.New("the process that started this one has gone")

	// ErrPidfileHeld is returned when a live process holds the pidfile.
	ErrPidfileHeld = errors.New("held by a live process")
	// ErrPidfileForeign is returned when something that is no pidfile stands at the path.
	ErrPidfileForeign = errors.New("not a pidfile")
	// ErrPidfileBusy is returned when the path keeps changing under our hands.
	ErrPidfileBusy = errors.New("other processes keep changing it")
	// ErrPidfileKept is returned when our pidfile could not be removed.
	ErrPidfileKept = errors.New("cannot be removed")

	// ErrNeedRoot is returned when a process that is not root is to change its user.
	ErrNeedRoot = errors.New("-user needs root")
	// ErrSuperuser is returned for a user with ID 0, to which nothing can be dropped.
	ErrSuperuser = errors.New("is the superuser, so no privilege would be given up; leave -user out")
	// ErrPrivileged is returned when privileges are left after they were given up.
	ErrPrivileged = errors.New("privileges are left")
)
