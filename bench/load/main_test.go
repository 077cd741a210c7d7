package load

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Suite{Commands: []string{"bench/floor"}, Parallel: 2}.Run(m) }
