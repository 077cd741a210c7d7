package main

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestReadmeShowsTheUsage(t *testing.T) {
	var c config
	kit.DocumentHolds(t, "README.md", c.flags().Usage())
}
