package load

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"distcache/bench/load/plan"
	"distcache/codec"
	"distcache/codec/address"
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

var (
	// ErrSilent is returned by Ping when the service accepts the request and gives no answer.
	ErrSilent = errors.New("no answer")
	// ErrOddAnswer is returned by Ping when what comes back is no answer to the request.
	ErrOddAnswer = errors.New("wrong answer: not a distcache service?")
	// ErrAlone is returned by Ping when a dc_client answers that it has no dc_server.
	ErrAlone = errors.New("dc_client answers, but it is not connected to dc_server")
)

// Ping asks a service for a session that cannot exist, with one HAVE, and returns nil when it answers. limit is for the
// connection and the answer together, and begins after the look-up of a name. The errors are ErrResolve, ErrUnreachable and
// those above; the text names the address.
func Ping(ctx context.Context, a address.Address, limit time.Duration) error {
	at := a
	if a.Kind == address.TCP {
		found, err := lookUp(ctx, a)
		if err != nil {
			return err
		}
		at.Host = found.Addr().String()
	}
	deadline := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	socket, err := at.Dial(ctx)
	if err != nil {
		return fmt.Errorf("%w to %v: %w", ErrUnreachable, a, err)
	}
	defer socket.Close()
	_ = socket.SetDeadline(deadline) // not closed yet, so it cannot fail
	if err := ping(socket); err != nil {
		return fmt.Errorf("%v: %w", a, err)
	}
	return nil
}

// ping sends a probe and takes the answer.
func ping(socket net.Conn) error {
	id := append([]byte(codec.ProbeMark), make([]byte, codec.ProbeIDLen-len(codec.ProbeMark))...)
	var random [4]byte
	_, _ = rand.Read(id[len(codec.ProbeMark):]) // never fails
	_, _ = rand.Read(random[:])
	uid := binary.BigEndian.Uint32(random[:])
	if _, err := socket.Write(codec.AppendMessage(nil, codec.Request, uid, codec.OpHave, id)); err != nil {
		return silence(err)
	}
	m, err := readAnswer(socket)
	if err != nil {
		return err
	}
	if m.UID != uid || m.Op != codec.OpHave {
		return ErrOddAnswer
	}
	status, err := codec.ParseStatus(m)
	switch {
	case m.PayloadLen == 0, err == nil && status == codec.StatusDisconnected: // empty: an old dc_client
		return ErrAlone
	case err == nil && (status == codec.StatusOK || status == codec.StatusNotOK):
		return nil
	}
	return ErrOddAnswer
}

func readAnswer(socket net.Conn) (codec.Message, error) {
	answers := codec.NewAssembler(codec.Response)
	for b := make([]byte, 0, codec.MaxMessageSize); ; {
		n, err := socket.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if m, err := answers.Next(b); err != codec.ErrShort {
			if err != nil {
				err = fmt.Errorf("%w (%w)", ErrOddAnswer, err)
			}
			return m, err
		}
		if err != nil {
			return codec.Message{}, silence(err)
		}
	}
}

// silence tells an answer that is late from a connection that was closed.
func silence(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w in time", ErrSilent)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the connection was closed", ErrSilent)
	}
	return fmt.Errorf("%w: %w", ErrSilent, err)
}
