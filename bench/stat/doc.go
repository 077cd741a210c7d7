// Package stat sums up the rounds of a measurement: pure functions.
package stat
