package store

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

const (
	// maxSessions is the most sessions that the table and the tournament can number.
	maxSessions = 1 << 30
	// MinBytes is the smallest Config.MaxBytes: enough for any one session.
	MinBytes = 1 << 20
)

// Config says how much a Memory may hold.
type Config struct {
	// MaxSessions is the most sessions, 1 to 2^30. The index for all of them, about 20 bytes
	// each, is reserved as address space at once; memory is taken as sessions come.
	MaxSessions int
	// MaxBytes is the most bytes that the records of all sessions may take, MinBytes or
	// more: id, data, and about 20 bytes for each. 0 means as much as can be addressed, 64 GiB.
	MaxBytes int64
	// Locked keeps the records out of swap (mlock2(2)).
	Locked bool
	// Kept holds the records in a memfd, which another process can take over: Memory.Leave and
	// Reopen. A record is 8 bytes longer then, and memory is taken in pages of 256 KiB.
	Kept bool
	// Epoch is what the kernel's monotonic clock (CLOCK_MONOTONIC) showed when now was 0. It
	// matters with Kept alone.
	Epoch time.Duration
}

// Arena is the address space that the records are reserved, in bytes. With Locked, all of it
// counts toward RLIMIT_MEMLOCK.
func (c Config) Arena() int64 {
	classes := newClasses()
	return int64(roundUp(int(c.limit(classes)+slack(c.MaxSessions, classes)), Growth))
}

// validate returns an error that wraps ErrConfig if a limit is out of range.
func (c Config) validate() error {
	if c.MaxSessions < 1 || c.MaxSessions > maxSessions {
		return fmt.Errorf("%w: %d sessions, must be 1 to %d", ErrConfig, c.MaxSessions, maxSessions)
	}
	if c.MaxBytes != 0 && c.MaxBytes < MinBytes {
		return fmt.Errorf("%w: %d bytes for sessions, must be 0 (no limit) or at least %d", ErrConfig, c.MaxBytes, MinBytes)
	}
	return nil
}

// Bound is the most memory, in bytes, that a Memory with these limits ever takes, for any
// sizes of sessions and any order in which they come and go.
func (c Config) Bound() int64 { return c.Overhead() + c.Records() }

// Overhead is the part of the bound that MaxBytes does not limit, in bytes: the index, and
// pages that are not full.
func (c Config) Overhead() int64 { return c.index() + slack(c.MaxSessions, newClasses()) }

// Records is the most that all records may cost together, in bytes: MaxBytes, or less where
// MaxSessions of the largest cost less.
func (c Config) Records() int64 { return c.limit(newClasses()) }

// index is the size in bytes of the table and the tournament.
func (c Config) index() int64 {
	return int64(bucketCount(c.MaxSessions))*int64(unsafe.Sizeof(bucket{})) +
		int64(contenderCount(c.MaxSessions))*int64(unsafe.Sizeof(contender{}))
}

// limit is the most that all records may cost together, in bytes.
func (c Config) limit(classes *classes) int64 {
	limit := int64(maxArena - Growth - len(classes.list)*pageSize)
	limit = min(limit, int64(c.MaxSessions)*classes.largest().cost)
	if c.MaxBytes > 0 {
		limit = min(limit, c.MaxBytes)
	}
	return limit
}

// slack is the most that pages which are not full take beyond the cost of their records,
// in bytes: one page in each class that has a session.
func slack(sessions int, classes *classes) int64 {
	return int64(min(sessions, len(classes.list))) * pageSize
}

// ErrConfig is returned, wrapped, when a limit in a Config is out of range.
var ErrConfig = errors.New("limit out of range")

// ErrLock is returned, wrapped with the limit and the kernel's reason, when the kernel does not
// keep the memory of the records out of swap.
var ErrLock = errors.New("cannot lock memory")

// ErrMemory is returned, wrapped with the kernel's reason, when the kernel refuses the
// address space that the limits need.
var ErrMemory = errors.New("cannot reserve memory")
