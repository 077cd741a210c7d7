package load

import (
	"context"
	"distcache/bench/load/plan"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Run drives the load that config describes, and returns what it measured. It blocks until the end.
//
// When a violation ends the run, the error is that *Violation, and the result holds what was measured before. When ctx
// ends, nothing new is begun, what is unanswered is waited for, and the error is ctx.Err(), beside the result. Any other
// error (ErrConfig, ErrResolve, ErrDescriptors, ErrUnreachable) comes without a result, before any operation.
func Run(ctx context.Context, config plan.Config) (*plan.Result, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := checkDescriptors(config.Clients); err != nil {
		return nil, err
	}
	t, err := newTarget(ctx, config.Address)
	if err != nil {
		return nil, err
	}
	if err := t.reach(config.AnswerLimit); err != nil {
		return nil, fmt.Errorf("%w to %v: %w", ErrUnreachable, config.Address, err)
	}
	l, err := newLoop(ctx, &config, t)
	if err != nil {
		return nil, err
	}
	result := l.runOnThread()
	if result.Violation != nil {
		return result, result.Violation
	}
	return result, ctx.Err()
}

// runOnThread runs the loop on a thread of its own, so that the thread's processor time is the loop's.
func (l *loop) runOnThread() *plan.Result {
	done := make(chan *plan.Result)
	go func() {
		runtime.LockOSThread()
		// The kernel may wake a sleeper 50 us late by default, to save power; an operation would begin late by that. The
		// thread ends with the goroutine, so nothing is to be put back.
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		l.run()
		done <- l.result()
	}()
	return <-done
}

// spareDescriptors are for what the process has open besides the clients.
const spareDescriptors = 64 + lingerAtMost

func checkDescriptors(clients int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%w: %w", ErrDescriptors, err)
	}
	if need := uint64(clients) + spareDescriptors; limit.Cur < need {
		return fmt.Errorf("%w: %d clients need %d, and the limit is %d; raise it with ulimit -n", ErrDescriptors, clients, need, limit.Cur)
	}
	return nil
}

var (
	// ErrUnreachable is returned by Run when the very first connection fails: nothing listens at the address.
	ErrUnreachable = errors.New("cannot connect")
	// ErrResolve is returned by Run when the host of a TCP address has no address of the family asked for.
	ErrResolve = errors.New("cannot resolve")
	// ErrDescriptors is returned by Run when the limit of open files is too low for so many clients.
	ErrDescriptors = errors.New("too few file descriptors")
)

// clock is monotonic time in nanoseconds since the run began.
type clock struct{ start time.Time }

func newClock() clock { return clock{start: time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.start)) }

// usage returns what the calling thread (unix.RUSAGE_THREAD) or the process (unix.RUSAGE_SELF) has used so far. With
// such an argument the call cannot fail.
func usage(who int) plan.CPU {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u)
	return plan.CPU{User: time.Duration(u.Utime.Nano()), System: time.Duration(u.Stime.Nano())}
}
