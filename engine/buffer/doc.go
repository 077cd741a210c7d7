// Package buffer lends byte slices of a few fixed sizes under one bound, so that
// what clients can make a daemon hold is known before they come. Slices that are
// given back are kept for the next borrower. It belongs to the loop: no locks.
package buffer
