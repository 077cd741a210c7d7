package main

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestManualShowsTheFlags(t *testing.T) {
	var c config
	kit.ManualHolds(t, "docs/man/dc_server.1", c.flags().Manual)
}
