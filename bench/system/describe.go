package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"distcache/bench/procfs"
	"distcache/bench/record"
)

// newRecord describes the run before anything is measured.
func newRecord(ctx context.Context, h *harness, descriptors uint64) *record.Run {
	memory, _ := procfs.TotalMemory()
	backlog, _ := os.ReadFile("/proc/sys/net/core/somaxconn")
	return &record.Run{
		Format: record.Format, Form: h.form.name, Started: h.started.UTC(),
		Command:  append([]string{"go", "run", "./bench/system"}, h.options.args...),
		Revision: revision(ctx, h.root),
		Machine: record.Machine{
			CPU: procfs.CPUModel(), Cores: runtime.NumCPU(), Memory: memory,
			Kernel: kernel(), Descriptors: descriptors, Backlog: strings.TrimSpace(string(backlog)),
		},
		Versions: versions(ctx), Accounting: procfs.Accounting,
		Rounds: h.form.rounds, Warmup: h.form.warmup.Seconds(), Duration: h.form.duration.Seconds(),
		Load:    loadText(),
		Targets: []record.Target{}, Skipped: []record.Skip{},
	}
}

func kernel() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // it cannot fail with a good pointer
	var words []string
	for _, field := range [][]byte{u.Sysname[:], u.Release[:], u.Machine[:]} {
		words = append(words, unix.ByteSliceToString(field))
	}
	return strings.Join(words, " ")
}

// revision is the commit of the working tree, marked when files differ from it; "" outside of git.
func revision(ctx context.Context, root string) string {
	commit := output(ctx, "git", "-C", root, "rev-parse", "--short=12", "HEAD")
	if commit != "" && output(ctx, "git", "-C", root, "status", "--porcelain", "--", ".", ":!bench/results") != "" {
		commit += "-dirty"
	}
	return commit
}

// versions asks each program for its version. A program that is not installed has none.
func versions(ctx context.Context) []record.Version {
	var all []record.Version
	number := regexp.MustCompile(`\d+\.\d+(\.\d+)*`) // the first of a text is its version
	add := func(name, text string) {
		if v := number.FindString(text); v != "" {
			all = append(all, record.Version{Name: name, Version: v})
		}
	}
	add("Go", output(ctx, "go", "version"))
	add("gnet", output(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/panjf2000/gnet/v2"))
	peers := [][]string{
		{"twemproxy", "nutcracker", "-V"}, {"memcached", "memcached", "-V"}, {"redis", "redis-server", "--version"},
	}
	for _, peer := range peers {
		if path, err := installed(peer[1]); err == nil {
			add(peer[0], output(ctx, path, peer[2:]...))
		}
	}
	return all
}

// output returns what the program writes, without the last newline; "" when it fails.
func output(ctx context.Context, name string, args ...string) string {
	b, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
