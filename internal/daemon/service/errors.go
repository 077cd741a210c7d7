package service

import "errors"

var (
	// ErrInterrupted is returned when a signal stopped the parent before the daemon was ready.
	ErrInterrupted = errors.New("stopped by a signal before the daemon was ready")
	// ErrNotReady is returned when the daemon reported nothing within 30 seconds.
	ErrNotReady = errors.New("the daemon was not ready in time")
	// ErrSilent is returned when the daemon ended without a report.
	ErrSilent = errors.New("the daemon ended without giving a reason")
	// ErrParentGone is returned to the daemon when the process that waits for its report has ended.
	ErrParentGone = errors.New("the process that started this daemon has ended")

	// ErrPidfileHeld is returned when a running process holds the pidfile.
	ErrPidfileHeld = errors.New("in use by a running process")
	// ErrPidfileForeign is returned when the path is something other than a pidfile.
	ErrPidfileForeign = errors.New("not a pidfile")
	// ErrPidfileBusy is returned when the path keeps changing.
	ErrPidfileBusy = errors.New("other processes keep changing it")
	// ErrPidfileKept is returned when our pidfile could not be removed.
	ErrPidfileKept = errors.New("cannot be removed")

	// ErrNeedRoot is returned when a process that is not root is to change its user.
	ErrNeedRoot = errors.New("changing the user needs root")
	// ErrPrivileged is returned when privileges remain after they were dropped.
	ErrPrivileged = errors.New("privileges remain")
)
