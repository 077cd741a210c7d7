package engine

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleEnv makes the test binary play a part as a process of its own.
const roleEnv = "ENGINE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "%s=%s: %v\n", roleEnv, role, err)
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // tests make the Listener warn
	goleak.VerifyTestMain(m)
}
