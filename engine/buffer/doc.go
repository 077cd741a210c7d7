// Package buffer lends byte slices of a few fixed sizes under one bound, so that the memory
// that clients can make a daemon hold is known in advance. Returned slices are kept for
// the next borrower. A Pool belongs to its loop and has no locks.
package buffer
