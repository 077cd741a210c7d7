package main

import (
	"testing"

	"distcache/internal/testkit"
)

func TestReadmeShowsTheUsage(t *testing.T) {
	var c config
	testkit.DocumentHolds(t, "README.md", c.flags().Usage())
}
