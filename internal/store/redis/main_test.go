package redis

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Suite{Parallel: 16}.Run(m) }
