package main

import (
	"testing"

	"distcache/internal/test/kit"
)

// TestScripts runs what testdata/script holds of the command line.
func TestScripts(t *testing.T) { kit.RunScripts(t) }
