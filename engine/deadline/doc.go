// Package deadline keeps entries in order of their deadlines. All entries of a queue have
// the same delay, so an entry that is set later is due later: order of arrival is order of
// deadline. Setting, moving and removing an entry are O(1).
//
// Times are monotonic: a time.Duration since some start, passed in. This package reads no
// clock.
package deadline
