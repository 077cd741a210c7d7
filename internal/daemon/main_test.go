package daemon

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 16}.Run(m)
}
