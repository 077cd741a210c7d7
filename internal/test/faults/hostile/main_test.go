package hostile

import (
	"fmt"
	"os"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	if text := os.Getenv(attackerEnv); text != "" {
		if err := beAttacker(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 16}.Run(m)
}

// listen gives the flags that have a daemon listen on that kind of network.
func listen(t *testing.T, network string) []string {
	at := kit.Loopback()
	if network == "unix" {
		at = kit.Unix(t)
	}
	return []string{"-listen", at.String()}
}
