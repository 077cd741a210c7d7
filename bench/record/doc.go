// Package record is the form in which bench/system keeps what it measured and bench/report reads it: one JSON file for a
// run, with every round's raw figures, one sample a line.
package record
