package gnetenv_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"distcache/engine/poll/gnetenv"

	_ "github.com/panjf2000/gnet/v2/pkg/netpoll" // whose initialisation is what this is about
)

const roleEnv = "GNETENV_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "" {
		// Under the race detector each part would sleep for a second before it ends.
		os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
		os.Exit(m.Run())
	}
	fmt.Println(strings.Join(gnetenv.Removed(), " "))
}

func TestStartSurvivesGnetVariables(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	rows := []struct {
		name, want string
		env        []string
	}{
		{"none", "", nil},
		{"bad level", "GNET_LOGGING_LEVEL", []string{"GNET_LOGGING_LEVEL=x"}},
		{"level", "GNET_LOGGING_LEVEL", []string{"GNET_LOGGING_LEVEL=-1"}},
		{"empty", "GNET_LOGGING_LEVEL", []string{"GNET_LOGGING_LEVEL="}},
		{"file", "GNET_LOGGING_FILE", []string{"GNET_LOGGING_FILE=" + log}},
		{"both bad", "GNET_LOGGING_LEVEL GNET_LOGGING_FILE", []string{"GNET_LOGGING_LEVEL=x", "GNET_LOGGING_FILE=/dev/null/x"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(append(os.Environ(), roleEnv+"=1"), row.env...)
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != row.want {
				t.Errorf("got %q, %v, want %q", got, err, row.want)
			}
		})
	}
	if _, err := os.Lstat(log); err == nil {
		t.Errorf("got the log file of gnet, want none")
	}
}
