package procfs

import "errors"

// ErrFormat is returned when a file of the kernel does not look as it should.
var ErrFormat = errors.New("unexpected format")
