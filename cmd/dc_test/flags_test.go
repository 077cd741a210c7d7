package main

import (
	"testing"

	"distcache/internal/test/kit"
)

// TestScripts runs what testdata/script holds of the command line.
func TestScripts(t *testing.T) { kit.RunScripts(t, run) }

// TestNumbersOutOfRange: each flag with a number says what is out of its range.
func TestNumbersOutOfRange(t *testing.T) { kit.RefusesNumbers(t, program, run) }
