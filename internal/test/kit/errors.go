package kit

import "errors"

// ErrEnded is returned when a process is looked at that has ended.
var ErrEnded = errors.New("the process has ended")
