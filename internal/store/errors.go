package store

import "errors"

// ErrConfig is returned, wrapped, when a limit in a Config is out of range.
var ErrConfig = errors.New("cache: limit out of range")

// ErrMemory is returned, wrapped with the kernel's reason, when the address space that
// the limits ask for cannot be had.
var ErrMemory = errors.New("cache: cannot reserve memory")
