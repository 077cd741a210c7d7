package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/store"
)

// declareKeep adds -keep, which says how the next process gets the sessions.
func (c *config) declareKeep(s *options.Set) {
	s.Func("keep", "how", "", "Keep the sessions over a restart: systemd, in whose descriptor store their memory is, or UNIX:/path, where a new "+
		"dc_server takes it over from the one that runs, which then ends.", func(text string) error {
		a, err := address.ParseListen(text)
		if err != nil {
			return err
		}
		if a.Kind != address.Unix && (a.Kind != address.Systemd || a.Name != "") {
			return fmt.Errorf("%q is neither systemd nor UNIX:/path", text)
		}
		c.keep = a
		return nil
	})
}

// keeps reports whether -keep was given.
func (c *config) keeps() bool { return c.keep.Kind != 0 }

// validateKeep checks -keep against the other flags. Its error is a *options.UsageError.
func (c *config) validateKeep() error {
	if !c.keeps() {
		return nil
	}
	for _, a := range append(c.daemonFlags.Listen, c.daemonFlags.Metrics.Address) {
		if a.Kind == address.Unix && a.Same(c.keep) {
			return &options.UsageError{Flag: "keep", Value: c.keep.String(), Reason: c.keep.String() + " is also the address of another flag"}
		}
	}
	c.handover = daemon.NewHandover(c.keep)
	return c.daemonFlags.ValidatePath("keep", c.keep)
}

// openMemory takes the memory of the process before over, or makes an empty one. start is the kernel's
// monotonic clock at the start of the loop's.
func (cs *cacheServer) openMemory(start time.Duration) (err error) {
	limits := cs.config.memoryStore()
	limits.Epoch = start
	h := cs.config.handover
	if h != nil {
		fd, lost := h.Taken()
		if lost == nil {
			if cs.memory, lost = store.Reopen(limits, fd); lost == nil {
				cs.adopting = true
				return nil
			}
		}
		cs.lost(lost)
	}
	if cs.memory, err = cs.newMemory(limits); err != nil || h == nil {
		return err
	}
	if err := h.Hold(cs.memory.Descriptor()); err != nil {
		slog.Warn("-keep: the sessions end with this process", "reason", err)
	}
	return nil
}

// adopt enters the sessions of the process before, while new clients wait to be accepted.
func (cs *cacheServer) adopt(now time.Duration) {
	if !cs.adopting {
		return
	}
	began := time.Now()
	a, err := cs.memory.Adopt(now)
	if err != nil {
		cs.lost(err)
		return
	}
	how := "orderly"
	if !a.Clean {
		how = "killed"
	}
	slog.Info("sessions kept", "sessions", a.Sessions, "expired", a.Expired, "evicted", a.Evicted, "torn", a.Torn,
		"end_of_the_process_before", how, "milliseconds", time.Since(began).Milliseconds())
}

// lost logs why no sessions were taken over.
func (cs *cacheServer) lost(err error) {
	if daemon.First(err) {
		slog.Info("no sessions kept: the cache is empty", "reason", err)
		return
	}
	slog.Warn("no sessions kept: the cache is empty", "reason", err)
}

// closeMemory leaves the sessions to the next process, or wipes them.
func (cs *cacheServer) closeMemory() error {
	h := cs.config.handover
	if h == nil || !h.Wanted() {
		return cs.memory.Close()
	}
	fd, err := cs.memory.Leave()
	return errors.Join(err, h.Pass(fd))
}

// monotonic reads the kernel's monotonic clock, which all processes share.
func monotonic() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(now.Nano()), nil
}
