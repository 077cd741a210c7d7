package kit

import "os"

// Full reports whether the tests are to run in their long forms, at the full size that the
// entries of docs/RELIABILITY.md name: DISTCACHE_FULL=1, as `make faults` sets it, on a
// machine that does nothing else.
func Full() bool { return os.Getenv("DISTCACHE_FULL") != "" }
