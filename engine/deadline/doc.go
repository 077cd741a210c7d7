// Package deadline keeps things in order of the time at which they are due, where
// all things of one kind have the same delay: a thing that is set later is due
// later, so a queue in order of arrival is in order of deadline, and setting,
// moving and removing are O(1).
//
// Times are monotonic: time.Duration since some start, passed in. Nothing here
// reads a clock.
package deadline
