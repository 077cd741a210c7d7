// Package histogram counts durations in log-linear buckets: exact to a sixteenth, over eight
// decades, in 3 KiB. Sizes counts in buckets that are powers of two. An observation takes a few
// nanoseconds and allocates nothing.
package histogram
