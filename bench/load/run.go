package load

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run drives the load that config describes, and returns what it measured. It blocks until the end.
//
// When a violation ends the run, the error is that *Violation, and the result holds what was measured before. When ctx
// ends, nothing new is begun, what is unanswered is waited for, and the error is ctx.Err(), beside the result. Any other
// error (ErrConfig, ErrResolve, ErrDescriptors, ErrUnreachable) comes without a result, before any operation.
func Run(ctx context.Context, config Config) (*Result, error) {
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
func (l *loop) runOnThread() *Result {
	done := make(chan *Result)
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
