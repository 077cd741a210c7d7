package main

import (
	"testing"

	"distcache/internal/test/kit"
)

// TestExampleShowsTheFlags: the example of a file for -config has each flag with its default.
func TestExampleShowsTheFlags(t *testing.T) {
	var c config
	kit.ManualHolds(t, "contrib/config/dc_client.conf", func(string) (string, error) { return c.flags().Example(), nil })
}
