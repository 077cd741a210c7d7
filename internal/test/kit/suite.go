package kit

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// toolsEnv names the directory of the commands that a Suite has built, or that somebody has
// built for it: see scripts/test.sh.
const toolsEnv = "DISTCACHE_TEST_TOOLS"

// Suite is the tests of a package that run the commands themselves. TestMain calls Run.
type Suite struct {
	Commands []string // those to build: “dc_client”, or “bench/stub” for what is not below cmd
	Tags     []string // build tags, with each of which they are built once more
	Parallel int      // how many tests run at a time: they wait more than they work

	// Shared starts what all tests share, where that is not nil. Its testing.TB is good for
	// Rig, Process and Endpoint; what it cleans up goes after the last test.
	Shared func(t testing.TB)
	// Programs are the main functions of what scripts run: see RunScripts. The test binary
	// acts as such a program when it runs under its name, so that nothing is built.
	Programs map[string]func()
}

// Run builds the commands, as `make build` does, runs the tests, holds that they leave no
// goroutine, and ends the process.
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
	directory, err := os.MkdirTemp("", "dc")
	if err == nil {
		err = s.build(directory)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = flag.Set("test.parallel", strconv.Itoa(s.Parallel))
	all := &shared{}
	if s.Shared != nil {
		s.Shared(all)
	}
	goleak.VerifyTestMain(st.tests, goleak.IgnoreCurrent(), goleak.Cleanup(func(c int) {
		all.end()
		_ = os.RemoveAll(directory)
		code = c
	}))
	return code
}

// build leaves the directory open to everybody: some tests run as an ordinary user. Where the
// environment names a directory, the commands are there: `make test` builds them once for all
// packages, as even the builds that find nothing to do cost a second of CPU each.
func (s Suite) build(directory string) error {
	if len(s.Commands) == 0 {
		return nil
	}
	if built := os.Getenv(toolsEnv); built != "" {
		return s.find(built)
	}
	for _, tag := range append([]string{""}, s.Tags...) {
		into := filepath.Join(directory, tag)
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(into, 0o755); err != nil {
			return err
		}
		if err := s.buildTag(into, tag); err != nil {
			return err
		}
	}
	return os.Setenv(toolsEnv, directory)
}

// find holds that each of the commands is there.
func (s Suite) find(built string) error {
	for _, tag := range append([]string{""}, s.Tags...) {
		for _, name := range s.Commands {
			if _, err := os.Stat(filepath.Join(built, tag, filepath.Base(name))); err != nil {
				return fmt.Errorf("%s: %w", toolsEnv, err)
			}
		}
	}
	return nil
}

// buildTag puts the commands into the directory. All packages of a module build into one
// directory, one after the other: the first links a command, and the go command of the
// others sees that nothing has changed, in a few tenths of a second. What they get is a
// link to the file, which a later build does not change. Tests with the race detector get
// commands with it.
func (s Suite) buildTag(into, tag string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	builds, unlock, err := lockBuilds(fmt.Sprint(root, runtime.Version(), tag, RaceDetector))
	if err != nil {
		return err
	}
	defer unlock()
	args, cgo := []string{"build", "-trimpath", "-tags", tag, "-o", builds + "/"}, "CGO_ENABLED=0"
	if RaceDetector {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	for _, name := range s.Commands {
		if !strings.Contains(name, "/") {
			name = "cmd/" + name
		}
		args = append(args, "distcache/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	for _, name := range s.Commands {
		name = filepath.Base(name)
		if err := linkOrCopy(filepath.Join(builds, name), filepath.Join(into, name)); err != nil {
			return err
		}
	}
	return nil
}

// SkipWithRaceDetector skips a test which the race detector disturbs, for that reason.
func SkipWithRaceDetector(t testing.TB, reason string) {
	t.Helper()
	if RaceDetector {
		t.Skip("the race detector: " + reason)
	}
}

// lockBuilds gives the directory of one kind of builds, for this process alone until unlock.
func lockBuilds(kind string) (directory string, unlock func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	directory = filepath.Join(cache, "distcache-test", fmt.Sprintf("%x", sha256.Sum256([]byte(kind)))[:16])
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", nil, err
	}
	lock, err := os.OpenFile(filepath.Join(directory, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		_ = lock.Close()
		return "", nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return directory, func() { _ = lock.Close() }, nil
}

// linkOrCopy copies where the file systems differ.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	return errors.Join(err, copied.Close())
}

// Tool is the path of a command that the Suite of the test has built, or, of one that it has
// built with a tag, of “tag/command”. It panics where there is no Suite.
func Tool(name string) string {
	directory, ok := os.LookupEnv(toolsEnv)
	if !ok {
		panic("kit.Tool: TestMain has run no Suite")
	}
	if err := noteSources(); err != nil {
		panic(err)
	}
	return filepath.Join(directory, name)
}

// noteSources looks once, while a test runs, at the directories of the commands' sources, so
// that the go command knows what the tests depend on: it would else take their results from
// its cache when a source has changed.
var noteSources = sync.OnceValue(func() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, part := range []string{"cmd", "codec", "client", "engine", "upstream", "internal", "bench", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			directory, err := os.Open(path) // which the go command hears of
			if err != nil {
				return err
			}
			return directory.Close()
		})
		if err != nil {
			return fmt.Errorf("look at the sources: %w", err)
		}
	}
	return nil
})

// moduleRoot is the directory above the test's that has go.mod.
func moduleRoot() (string, error) {
	directory, err := os.Getwd()
	for err == nil {
		_, err = os.Stat(filepath.Join(directory, "go.mod"))
		if err == nil {
			return directory, nil
		}
		if errors.Is(err, fs.ErrNotExist) && directory != filepath.Dir(directory) {
			directory, err = filepath.Dir(directory), nil
		}
	}
	return "", fmt.Errorf("look for go.mod: %w", err)
}

// shared is a testing.TB for what starts before the first test and ends after the last. It
// has no more of one than a Rig takes: the rest of its methods panic.
type shared struct {
	testing.TB
	cleanups []func()
	failed   bool
}

// end cleans up, the latest first.
func (s *shared) end() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
	s.cleanups = nil
}

func (s *shared) Helper() {}

func (s *shared) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *shared) Failed() bool { return s.failed }

func (s *shared) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *shared) Errorf(format string, args ...any) {
	s.failed = true
	s.Logf(format, args...)
}

func (s *shared) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the test process: without what they share, the tests mean nothing.
func (s *shared) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	s.end()
	os.Exit(1)
}
