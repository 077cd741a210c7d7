package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"distcache/bench/process"
	"distcache/bench/record"
)

// harness is one run.
type harness struct {
	options   options
	form      form
	root      string // of the project
	directory string // of sockets and programs; removed in the end
	launcher  *process.Launcher
	builds    builds
	previous  builds // with -compare and -tls: what builds are compared with
	record    *record.Run
	stderr    io.Writer
	started   time.Time
	errors    int // samples that cannot be used
}

// newHarness makes everything ready, and builds the programs.
func newHarness(ctx context.Context, o options, stderr io.Writer) (*harness, error) {
	limit, err := raiseDescriptors()
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "dcb")
	if err != nil {
		return nil, err
	}
	h := &harness{options: o, form: formOf(o), directory: directory,
		launcher: process.NewLauncher(), stderr: stderr, started: time.Now()}
	if err := h.prepare(ctx, limit); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *harness) prepare(ctx context.Context, limit uint64) error {
	var err error
	if h.root, err = findRoot(ctx); err != nil {
		return err
	}
	programs := h.options.bin
	if programs == "" {
		programs = filepath.Join(h.directory, "bin")
		h.say("building")
		if err := build(ctx, h.root, programs, h.stderr); err != nil {
			return err
		}
	}
	if programs, err = filepath.Abs(programs); err != nil {
		return err
	}
	h.builds = builds{directory: programs, ours: programs,
		clientFlags: strings.Fields(h.options.clientFlags), serverFlags: strings.Fields(h.options.serverFlags)}
	if err := h.compare(); err != nil {
		return err
	}
	h.record = newRecord(ctx, h, limit)
	return nil
}

// compare makes the second form of the targets, if the options ask for one.
func (h *harness) compare() error {
	v := h.options.versus()
	if v == nil {
		return nil
	}
	h.previous = h.builds
	h.builds.suffix, h.previous.suffix = v.new, v.old
	if h.options.tls {
		h.builds.link, h.previous.link = overTLS, overTCP
		return nil
	}
	h.previous.clientFlags, h.previous.serverFlags = nil, nil
	var err error
	h.previous.ours, err = filepath.Abs(h.options.old)
	return err
}

// close ends every process and removes the directory.
func (h *harness) close() {
	h.launcher.Close()
	_ = os.RemoveAll(h.directory)
}

// raiseDescriptors raises the limit of open files as far as the system allows, for this process and for those that it
// starts, and returns the limit. Only the function of package syscall passes the raised limit on to processes started
// later.
func raiseDescriptors() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("setrlimit", err)
	}
	return limit.Cur, nil
}

// say writes a line of progress.
func (h *harness) say(format string, args ...any) {
	fmt.Fprintf(h.stderr, "bench: %s\n", fmt.Sprintf(format, args...))
}

// skip takes note that something is not measured.
func (h *harness) skip(s record.Skip) {
	h.record.Skipped = append(h.record.Skipped, s)
	h.say("skipped: %s: %s", s.What, s.Why)
}

// remember puts the target into the record, once, with its command lines.
func (h *harness) remember(s *stage) {
	for _, t := range h.record.Targets {
		if t.Name == s.target.name {
			return
		}
	}
	t := record.Target{Name: s.target.name, About: s.target.about, Commands: s.commands()}
	h.record.Targets = append(h.record.Targets, t)
}

// add puts a sample into the record.
func (h *harness) add(s *record.Sample) {
	if s.Error != "" {
		h.errors++
		h.say("wrong: %s: %s", s.Target, s.Error)
	}
	h.record.Samples = append(h.record.Samples, *s)
}

// errWrong is returned when the run is complete but some of its samples cannot be used.
var errWrong = errors.New("measurements went wrong")

func (h *harness) wrong() error {
	if h.errors == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %w; the results say which", h.errors, len(h.record.Samples), errWrong)
}

// output is where the results go.
func (h *harness) output() string {
	if h.options.out != "" {
		return h.options.out
	}
	return filepath.Join(h.root, "bench", "results", h.record.Name())
}

// findRoot returns the project's directory, from anywhere in it.
func findRoot(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}")
	b, err := cmd.Output()
	path, root, ok := strings.Cut(strings.TrimSpace(string(b)), " ")
	if err != nil || !ok || path != "distcache" {
		return "", fmt.Errorf("%w: run it in the project's directory (go list -m: %q, %v)", errUsage, b, err)
	}
	return root, nil
}

// measured are the directories of the programs that are measured.
func measured() []string {
	return []string{"cmd/dc_client", "cmd/dc_server", "bench/floor", "bench/stub", "bench/peers/goroutine", "bench/peers/gnetrun"}
}

// build makes the programs that are measured, as make build does, in the directory.
func build(ctx context.Context, root, directory string, stderr io.Writer) error {
	args := []string{"build", "-trimpath", "-o", directory + "/"}
	for _, name := range measured() {
		args = append(args, "./"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}
