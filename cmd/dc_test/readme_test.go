package main

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestDocumentShowsTheUsage(t *testing.T) {
	var c config
	kit.DocumentHolds(t, "docs/DC_TEST.md", c.flags().Usage())
}
