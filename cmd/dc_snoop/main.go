// Dc_snoop is a transparent proxy between any two distcache tools that shows what passes.
//
//	application ──▶ dc_snoop ──▶ dc_client ──▶ dc_snoop ──▶ dc_server
//	                                    (at either place, or both)
//
// Two goroutines serve a connection, one for each direction:
//
//	read ──▶ watcher ──────────▶ write        bytes as they came, nothing held back
//	            │ decodes, matches answers with requests
//	            ▼
//	          queue (bounded) ──▶ recorder ──▶ stdout, the file of -pcap
//	                                  └──────▶ queue (bounded) ──▶ stderr
//
// Only the recorder, one goroutine for all, writes records. When its outputs are slower than the
// traffic, the queue fills up; dc_snoop then drops records and counts them. The traffic never
// waits for an output.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine/socket"
	"distcache/internal/daemon/listen"
)

func main() { os.Exit(run(usualLimits(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(l limits, args []string, stdout, stderr io.Writer) int {
	c := config{limits: l}
	flags := c.flags()
	err := flags.Parse(args)
	if err == nil {
		err = c.validate(flags)
	}
	if code, done := flags.Exit(err, stdout, stderr); done {
		return code
	}
	// The reader of standard output may leave; the connections must not notice.
	signal.Ignore(syscall.SIGPIPE)
	// Nor may a slow reader of stderr hold up what comes after a line: the end above all.
	lines := newStderrQueue(stderr)
	defer lines.flush()
	code, _ := flags.Exit(snoop(&c, stdout, lines), stdout, lines)
	return code
}

// snoop runs until a signal ends it.
func snoop(c *config, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	warnings, err := c.loadCredentials()
	if err != nil {
		return err
	}
	socket, listener, file, err := open(c)
	if err != nil {
		return err
	}
	for _, warning := range append(append(warnings, socket.Warnings...), shutOut(c)) {
		if warning != "" {
			printLine(stderr, warning)
		}
	}
	barrier := openBarrier()
	printLine(stderr, fmt.Sprintf("ready on %s for %s", socket.Addr(), c.server))
	s := newStats(time.Now())
	record := startRecorder(c, s, stdout, stderr, file)
	go summarizeWhenTold(ctx, told, record)
	pass(ctx, newProxy(c, record, s, barrier), listener, stop)
	err = socket.Unlink()
	if c.stats {
		record.summarize()
	}
	return errors.Join(err, record.stop(c.limits.write))
}

// openBarrier gives nil where /dev/null is not to be had: what needs it does without.
func openBarrier() *socket.Barrier {
	barrier, _ := socket.NewBarrier()
	return barrier
}

// endSignals are SIGINT, SIGTERM and, unless nohup(1) has switched it off, SIGHUP.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// open listens, and then makes the file of -pcap, which is nil without that flag: a start that
// fails leaves an older capture as it was. The listener is of package net, which does not know
// the socket's file: that stays with package listen.
func open(c *config) (*listen.Socket, net.Listener, *os.File, error) {
	socket, err := listen.Open(c.listen, c.socket)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("-listen: %w", err)
	}
	listener, err := listenerOf(socket.FD)
	if err = errors.Join(err, socket.CloseListener()); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("-listen: %w", err), socket.Unlink())
	}
	file, err := createCapture(c.pcap)
	if err != nil {
		return nil, nil, nil, errors.Join(err, listener.Close(), socket.Unlink())
	}
	return socket, listener, file, nil
}

// shutOut warns that no other user may connect, as under the usual umask, or is "".
func shutOut(c *config) string {
	info, err := os.Lstat(c.listen.Path)
	if c.listen.Kind != address.Unix || c.socket != (listen.Options{}) || err != nil || info.Mode().Perm()&0o022 != 0 {
		return ""
	}
	return fmt.Sprintf("only user %d can connect: the socket has mode %04o; -sockowner, -sockgroup and -sockperms change that",
		os.Geteuid(), info.Mode().Perm())
}

// listenerOf makes a listener of a duplicate of fd.
func listenerOf(fd int) (net.Listener, error) {
	twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(twin), "listener")
	listener, err := net.FileListener(file)
	return listener, errors.Join(err, file.Close())
}

// summarizeWhenTold prints the summary at each signal.
func summarizeWhenTold(ctx context.Context, told <-chan os.Signal, record *recorder) {
	for {
		select {
		case <-told:
			record.summarize()
		case <-ctx.Done():
			return
		}
	}
}

// pass takes connections until ctx is done, and then ends them. A second signal, after
// stop, ends the process at once.
func pass(ctx context.Context, p *proxy, l net.Listener, stop context.CancelFunc) {
	var accepting sync.WaitGroup
	accepting.Go(func() { p.accept(ctx, l) })
	<-ctx.Done()
	stop()
	_ = l.Close()
	accepting.Wait()
	p.end()
}
