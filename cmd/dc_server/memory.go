package main

import (
	"fmt"

	"distcache/internal/daemon"
	"distcache/internal/store"
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
		spare := c.limit.Bytes - c.daemonWithout().MemoryBound() - s.Overhead()
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
		owner := "the machine's"
		if by == byGroup {
			owner = c.limit.Path + " of"
		}
		share := "half of what %s %d MiB leave"
		if s.MaxBytes == leastRecords {
			share = "the least there is: %s %d MiB leave no more"
		}
		by = fmt.Sprintf(share, owner, c.limit.Bytes>>20)
	}
	locked := ""
	if c.lock {
		locked = fmt.Sprintf("  locked %d MiB of address space for records (-lock); without root RLIMIT_MEMLOCK must be as much\n",
			daemon.Mebibytes(s.Arena()))
	}
	return fmt.Sprintf("  sessions %d MiB = %d MiB index and page ends + %d MiB records, %d of %d B on average (limited by %s)\n%s",
		daemon.Mebibytes(s.Bound()), daemon.Mebibytes(s.Overhead()), daemon.Mebibytes(s.Records()),
		c.sessions, s.Records()/int64(c.sessions), by, locked)
}
