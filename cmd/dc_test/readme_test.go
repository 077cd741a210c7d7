package main

import (
	"testing"

	"distcache/internal/testkit"
)

func TestDocumentShowsTheUsage(t *testing.T) {
	var c config
	testkit.DocumentHolds(t, "docs/DC_TEST.md", c.flags().Usage())
}
