package kit

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// toolsEnv names the folder of the commands that a Suite has built.
const toolsEnv = "DISTCACHE_TEST_TOOLS"

// Suite is the tests of a package that run the commands themselves. TestMain calls Run.
type Suite struct {
	Commands []string // those to build: “dc_client”
	Tags     []string // build tags, with each of which they are built once more
	Parallel int      // how many tests run at a time: they wait more than they work
	// Programs are the main functions of what scripts run: see RunScripts. The test binary
	// acts as such a program when it runs under its name, so that nothing is built.
	Programs map[string]func()
}

// Run builds the commands once, as `make build` does, runs the tests, holds that they leave
// no goroutine, and ends the process.
func (s Suite) Run(m *testing.M) {
	testscript.Main(suiteTests{s, m}, s.Programs)
}

// suiteTests is the tests with what a Suite does before and after them.
type suiteTests struct {
	suite Suite
	tests *testing.M
}

// Run returns the exit code.
func (st suiteTests) Run() (code int) {
	s := st.suite
	flag.Parse()
	folder, err := os.MkdirTemp("", "dc")
	if err == nil {
		err = s.build(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = flag.Set("test.parallel", strconv.Itoa(s.Parallel))
	goleak.VerifyTestMain(st.tests, goleak.Cleanup(func(c int) {
		_ = os.RemoveAll(folder)
		code = c
	}))
	return code
}

// build leaves the folder open to everybody: some tests run as an ordinary user.
func (s Suite) build(folder string) error {
	if len(s.Commands) == 0 {
		return nil
	}
	for _, tag := range append([]string{""}, s.Tags...) {
		into := filepath.Join(folder, tag)
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(into, 0o755); err != nil {
			return err
		}
		args := []string{"build", "-tags", tag, "-o", into + "/"}
		for _, name := range s.Commands {
			args = append(args, "distcache/cmd/"+name)
		}
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %q: %w\n%s", args, err, out)
		}
	}
	return os.Setenv(toolsEnv, folder)
}

// Tool is the path of a command that the Suite of the test has built, or, of one that it has
// built with a tag, of “tag/command”. It panics where there is no Suite.
func Tool(name string) string {
	folder, ok := os.LookupEnv(toolsEnv)
	if !ok {
		panic("kit.Tool: TestMain has run no Suite")
	}
	if err := noteSources(); err != nil {
		panic(err)
	}
	return filepath.Join(folder, name)
}

// noteSources looks at the folders of the commands' sources, so that the go command knows
// what the tests depend on: it would else take their results from its cache when a source
// has changed.
func noteSources() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, part := range []string{"cmd", "codec", "engine", "upstream", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			folder, err := os.Open(path) // which the go command hears of
			if err != nil {
				return err
			}
			return folder.Close()
		})
		if err != nil {
			return fmt.Errorf("look at the sources: %w", err)
		}
	}
	return nil
}

// moduleRoot is the folder above the test's that has go.mod.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	for err == nil {
		_, err = os.Stat(filepath.Join(folder, "go.mod"))
		if err == nil {
			return folder, nil
		}
		if errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder) {
			folder, err = filepath.Dir(folder), nil
		}
	}
	return "", fmt.Errorf("look for go.mod: %w", err)
}
