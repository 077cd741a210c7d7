package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/store"
	"golang.org/x/sys/unix"
)

// leastRecords is what sessions get without -memory where little or nothing is to spare, in
// bytes beside their index. The start then warns that its bound is over the limit.
const leastRecords = 16 << 20

// memoryStore is the limits of a store in memory. Without -memory it may take half of what is to spare
// beside clients and program: the rest is for the kernel's buffers and for other programs.
func (c *config) memoryStore() store.Config {
	s := store.Config{MaxSessions: c.sessions, Locked: c.lock, Kept: c.keeps()}
	switch {
	case c.memory > 0:
		s.MaxBytes = int64(c.memory)<<20 - s.Overhead()
	case c.limit.Bytes > 0:
		spare := c.limit.Bytes - c.daemonWithoutSessions().MemoryBound() - s.Overhead()
		s.MaxBytes = max(spare/2, leastRecords)
	}
	return s
}

// What sets the limit of the memory for sessions, beside the two flags.
const (
	byMachine = "machine"
	byGroup   = "control-group"
)

// limitedBy names what sets the limit of the memory for sessions.
func (c *config) limitedBy(s store.Config) string {
	switch {
	case s.MaxBytes == 0 || s.Records() < s.MaxBytes:
		return "-sessions"
	case c.memory > 0:
		return "-memory"
	case c.limit.Path != "":
		return byGroup
	}
	return byMachine
}

// arithmetic explains the memory for sessions to the reader of -check.
func (c *config) arithmetic(s store.Config) string {
	by := c.limitedBy(s)
	if by == byMachine || by == byGroup {
		whole := fmt.Sprintf("the machine's %d MiB", c.limit.Bytes>>20)
		if by == byGroup {
			whole = fmt.Sprintf("the %d MiB of %s", c.limit.Bytes>>20, c.limit.Path)
		}
		by = "half of what is left of " + whole
		if s.MaxBytes == leastRecords {
			by = fmt.Sprintf("the minimum of %d MiB, since no more is left of %s", leastRecords>>20, whole)
		}
	}
	locked := ""
	if c.lock {
		locked = fmt.Sprintf("  locked %d MiB of address space for records (-lock); without root, RLIMIT_MEMLOCK must be at least that\n",
			daemon.Mebibytes(s.Arena()))
	}
	return fmt.Sprintf("  sessions %d MiB = %d MiB index and partly filled pages + %d MiB records, %d of %d B on average (limited by %s)\n%s",
		daemon.Mebibytes(s.Bound()), daemon.Mebibytes(s.Overhead()), daemon.Mebibytes(s.Records()),
		c.sessions, s.Records()/int64(c.sessions), by, locked)
}

// declareKeep adds -keep, which says how the next process gets the sessions.
func (c *config) declareKeep(s *options.Set) {
	s.Func("keep", "how", "", "Keep the sessions over a restart. systemd: their memory stays in systemd's descriptor store. UNIX:/path: "+
		"a new dc_server takes them from the running one through this socket; the old one then ends.", func(text string) error {
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
		slog.Warn("-keep systemd: the sessions will not survive a restart", "reason", err)
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
	slog.Info("took over sessions", "sessions", a.Sessions, "expired", a.Expired, "evicted", a.Evicted, "torn", a.Torn,
		"previous_exit", how, "took", time.Since(began).Round(time.Millisecond))
}

// lost logs why no sessions were taken over.
func (cs *cacheServer) lost(err error) {
	if daemon.First(err) {
		slog.Info("no sessions taken over: the cache is empty", "reason", err)
		return
	}
	slog.Warn("no sessions taken over: the cache is empty", "reason", err)
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
