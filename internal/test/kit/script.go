package kit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// updateEnv, when it is set, has RunScripts write what was printed into the scripts, in
// place of the text that they expect of it.
const updateEnv = "DISTCACHE_UPDATE_SCRIPTS"

// RunFunc is what a main function calls: it gets the arguments, and gives the exit code.
type RunFunc func(args []string, stdout, stderr io.Writer) int

// RunScripts runs each script in testdata/script of the package (*.txtar, see the package
// testscript). Scripts run the programs of the package's Suite, and have these commands
// besides those of testscript:
//
//	exits CODE program [args...]   run it; it must end with that exit code
//	runs program [args...]         the same with 0
//	refuses program [args...]      the same with 2, one line on stderr and nothing on stdout
//
// runs and refuses call run, which does what main does, in place of starting a process, as there
// are hundreds of such lines: unless run is nil, or there is a -config, -seal or -storepassword, whose
// file is looked for in the directory of the script. What starts to serve, and what has variables of its own, needs exec or exits.
//
// $PATH_107 is a path of 107 bytes, which is the longest that a unix socket can have, and $CONTRIB the directory of the
// files for -config. The test must run two directories below the module's root.
func RunScripts(t *testing.T, run RunFunc) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv(updateEnv) != "",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "runs": run.runs, "refuses": run.refuses,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH_107", "/"+strings.Repeat("x", 106))
			contrib, err := filepath.Abs("../../contrib/config")
			env.Setenv("CONTRIB", contrib)
			return err
		},
	})
}

// Program is the path of a program of the Suite, which the test binary acts as.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	code := 0
	switch {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("got exit code %d, want %s; stderr:\n%s", code, want, ts.ReadFile("stderr"))
	}
}

func (run RunFunc) refuses(ts *testscript.TestScript, neg bool, args []string) {
	var stdout, stderr string
	if run.needsProcess(args) || neg {
		exits(ts, neg, append([]string{"2"}, args...))
		stdout, stderr = ts.ReadFile("stdout"), ts.ReadFile("stderr")
	} else {
		stdout, stderr = run.mustExit(ts, 2, args[1:])
	}
	if stdout != "" || !strings.HasPrefix(stderr, args[0]+": ") || strings.IndexByte(stderr, '\n') != len(stderr)-1 {
		ts.Fatalf("got %q on stdout and %q on stderr, want nothing and one line that begins with %s:", stdout, stderr, args[0])
	}
}

func (run RunFunc) runs(ts *testscript.TestScript, neg bool, args []string) {
	if run.needsProcess(args) || neg {
		exits(ts, neg, append([]string{"0"}, args...))
		return
	}
	run.mustExit(ts, 0, args[1:])
}

func (run RunFunc) needsProcess(args []string) bool {
	return run == nil || len(args) == 0 || slices.ContainsFunc(args, func(arg string) bool {
		return arg == "-config" || arg == "-seal" || arg == "-storepassword"
	})
}

// mustExit gives what was printed.
func (run RunFunc) mustExit(ts *testscript.TestScript, code int, args []string) (stdout, stderr string) {
	stdout, stderr, err := run.exit(code, args)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	_, _ = io.WriteString(ts.Stdout(), stdout)
	_, _ = io.WriteString(ts.Stderr(), stderr)
	return stdout, stderr
}

// exit gives what was printed, and an error unless the exit code is want. A daemon that starts to serve
// is an error too.
func (run RunFunc) exit(want int, args []string) (stdout, stderr string, err error) {
	var printed, told strings.Builder
	ended := make(chan int, 1)
	go func() { ended <- run(args, &printed, &told) }()
	select {
	case code := <-ended:
		if code != want {
			err = fmt.Errorf("got exit code %d, want %d; stderr:\n%s", code, want, told.String())
		}
		return printed.String(), told.String(), err
	case <-time.After(Patience):
		return "", "", fmt.Errorf("got %q still running after %v, want exit code %d", args, Patience, want)
	}
}

// Refuses gives a function that holds that a program refuses arguments with exit code 2 and one line, its
// name and that message, and prints nothing else. run is what its main function calls.
func Refuses(t *testing.T, program string, run RunFunc) func(message string, args ...string) {
	return func(message string, args ...string) {
		t.Helper()
		stdout, stderr, err := run.exit(2, args)
		if err != nil {
			t.Errorf("%q: %v", args, err)
		} else if want := program + ": " + message + "\n"; stderr != want || stdout != "" {
			t.Errorf("%q: got %q and %q on stdout, want %q and nothing", args, stderr, stdout, want)
		}
	}
}

// rangeNote matches the range in the usage text of a flag.
var rangeNote = regexp.MustCompile(`\((\d+) to (\d+), default`)

// RefusesNumbers holds that each flag whose usage text gives a range refuses the numbers beside both
// ends of it. run is the main function of a program, which gets arguments and gives its exit code.
func RefusesNumbers(t *testing.T, program string, run RunFunc) {
	var usage strings.Builder
	if code := run([]string{"-h"}, &usage, io.Discard); code != 0 {
		t.Fatalf("got exit code %d of -h, want 0", code)
	}
	found := false
	for _, entry := range strings.Split(usage.String(), "\n  -")[1:] {
		words := strings.Fields(entry)
		if ends := rangeNote.FindStringSubmatch(strings.Join(words, " ")); ends != nil {
			found = true
			for _, value := range []string{beside(t, ends[1], -1), beside(t, ends[2], 1)} {
				mustRefuseNumber(t, program, run, "-"+words[0], value, ends[1]+" to "+ends[2])
			}
		}
	}
	if !found {
		t.Fatalf("got no flag with a range in the usage text of %s, want some", program)
	}
}

func mustRefuseNumber(t *testing.T, program string, run RunFunc, flag, value, ends string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run([]string{flag + "=" + value}, &stdout, &stderr)
	line, want := stderr.String(), fmt.Sprintf("%s: %s: %q ", program, flag, value)
	if code != 2 || stdout.Len() > 0 || strings.IndexByte(line, '\n') != len(line)-1 {
		t.Errorf("%s=%s: got exit code %d, %q on stdout and %q on stderr, want 2, nothing and one line", flag, value, code, stdout.String(), line)
	}
	if !strings.HasPrefix(line, want) || !strings.Contains(line, ends) {
		t.Errorf("got %q, want it to begin with %q and to name %s", line, want, ends)
	}
}

// beside is the number one step beyond an end of a range.
func beside(t *testing.T, end string, step int64) string {
	t.Helper()
	n, err := strconv.ParseInt(end, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(n+step, 10)
}
