package main

import (
	"testing"

	"distcache/internal/testkit"
)

func TestReadmeShowsTheUsage(t *testing.T) {
	var c config
	testkit.ReadmeHolds(t, c.flags().Usage())
}
