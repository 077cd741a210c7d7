package main

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestDocumentShowsTheUsage(t *testing.T) {
	var c config
	kit.DocumentHolds(t, "docs/dc_client.md", c.flags().Usage())
}
