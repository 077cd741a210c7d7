package daemon

import (
	"testing"

	"distcache/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 16}.Run(m)
}
