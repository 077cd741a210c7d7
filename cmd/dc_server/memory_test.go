package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/service"
	"distcache/internal/test/kit"
)

// TestMemoryDefault: without -memory the bound fits the machine or the control group,
// whatever -sessions is, and -check says what holds.
func TestMemoryDefault(t *testing.T) {
	machine := func(mib int64) service.MemoryLimit { return service.MemoryLimit{Bytes: mib << 20} }
	group := func(mib int64) service.MemoryLimit {
		return service.MemoryLimit{Bytes: mib << 20, Path: "/group/memory.max"}
	}
	const larger = 0 // the bound is larger than the limit: the start warns
	for _, row := range []struct {
		limit service.MemoryLimit
		args  []string
		most  int64 // the memory bound, in MiB
		by    string
		text  string
	}{
		{machine(24_000), nil, 12_152, "-sessions", "100000 of 37450 B on average (limited by -sessions)"},
		{machine(2000), nil, 1300, "machine", "(limited by half of what is left of the machine's 2000 MiB)"},
		{machine(8000), []string{"-sessions", "1000000"}, 4300, "machine", "1000000 of "},
		{machine(18_000), []string{"-sessions", "1073741824"}, larger, "machine", "(limited by the minimum of 16 MiB, since no more is left of the machine's 18000 MiB)"},
		{group(512), nil, 512 - 64, "control-group", "(limited by half of what is left of the 512 MiB of /group/memory.max)"},
		{group(512), []string{"-sessions", "1000000"}, 512 - 64, "control-group", "1000000 of "},
		{group(128), nil, larger, "control-group", "the minimum of 16 MiB, since no more is left of the 128 MiB of /group/memory.max"},
		{group(512), []string{"-memory", "100"}, 404, "-memory", "100000 of 622 B on average (limited by -memory)"},
		{group(512), []string{"-memory", "400"}, larger, "-memory", "\n  sessions 400 MiB = "},
		{machine(24_000), []string{"-memory", "100", "-sessions", "64"}, 330, "-sessions", "limited by -sessions"},
		{service.MemoryLimit{}, nil, 4000, "-sessions", "limited by -sessions"},
	} {
		t.Run(fmt.Sprint(row.limit.Bytes>>20, " ", row.args), func(t *testing.T) {
			c := config{limit: row.limit}
			if _, err := c.parse(row.args); err != nil {
				t.Fatal(err)
			}
			d := c.daemon()
			bound, limit := d.MemoryBound()>>20, row.limit.Bytes>>20
			if row.most == larger && bound <= limit || row.most != larger && bound > row.most {
				t.Errorf("got a bound of %d MiB, want %d at most (0: more than the limit)", bound, row.most)
			}
			if at := slices.Index(d.Ready, any("sessions_mib_by")); at < 0 || d.Ready[at+1] != row.by {
				t.Errorf("got %v in the line “ready”, want sessions_mib_by=%s", d.Ready, row.by)
			}
			if text := "\n" + d.Memory.Text; !strings.Contains(text, row.text) {
				t.Errorf("got %q, want it to have %q", text, row.text)
			}
		})
	}
}

// TestMemoryEvicts: with -memory, sessions that are large are evicted before there are as
// many as -sessions says, and the log names the flag that is too small.
func TestMemoryEvicts(t *testing.T) {
	t.Parallel()
	const sessions, large = 1000, 30_000
	process, at := start(t, "-sessions", strconv.Itoa(2*sessions), "-memory", "44")
	process.WaitStderr(patience, " sessions=2000 sessions_mib=44 sessions_mib_by=-memory\n")
	client := kit.Dial(t, at)
	data := strings.Repeat("x", large)
	for n := range sessions {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("session ", n), data, time.Hour+time.Duration(n)*time.Second), codec.StatusOK)
	}
	held := 0
	for n := range sessions {
		if client.Answer(kit.Have(1, fmt.Sprint("session ", n)))[0] == byte(codec.StatusOK) {
			held++
		}
	}
	if most := 44 << 20 / large; held < most/16 || held > most {
		t.Errorf("got %d sessions of %d bytes in 44 MiB, want %d to %d", held, large, most/16, most)
	}
	process.WaitStderr(patience, "evicted before they expire: -memory is too small")
	if text := process.Stderr(); strings.Contains(text, "-sessions is too small") {
		t.Errorf("got %q, want it to name -memory alone", text)
	}
}

// TestMemoryRefused: under RLIMIT_DATA the store evicts before its own limits are reached, and
// the log names that limit.
func TestMemoryRefused(t *testing.T) {
	kit.SkipWithRaceDetector(t, "it needs memory of its own")
	t.Parallel()
	at := kit.Unix(t)
	process := kit.Start(t, "/bin/sh", "-c", `ulimit -d 150000; exec "$0" "$@"`, kit.Tool(program),
		"-listen", at.String(), "-sessions", "10000", "-memory", "400")
	process.WaitStderr(patience, " ready ")
	client := kit.Dial(t, at)
	data := strings.Repeat("x", 32000)
	for n := 0; !strings.Contains(process.Stderr(), "evicted before they expire"); n++ {
		if n == 10_000 {
			t.Fatalf("got no line about evictions, want one; stderr:\n%s", process.Stderr())
		}
		client.ExpectStatus(kit.Add(1, fmt.Sprint("session ", n), data, time.Hour), codec.StatusOK)
	}
	process.WaitStderr(patience, "evicted before they expire: RLIMIT_DATA is too small, 146 MiB (ulimit -d)")
	if text := process.Stderr(); strings.Contains(text, "-sessions is") || strings.Contains(text, "-memory is") {
		t.Errorf("got %q, want it to name RLIMIT_DATA alone", text)
	}
}

// TestLock: with too low a limit the start names it and what is needed, and so does -check.
// Root has no such limit.
func TestLock(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups "
	for _, row := range []struct {
		name  string
		limit string // KiB
		as    string
		args  []string
		code  int
	}{
		{"too low", "1024", nobody, nil, 1},
		{"too low, -check", "1024", nobody, []string{"-check"}, 2},
		{"enough, -check", "131072", nobody, []string{"-check"}, 0},
		{"root, -check", "1024", "", []string{"-check"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("setpriv"); err != nil && row.as != "" {
				t.Skip("setpriv is not there")
			}
			args := append([]string{"-c", "ulimit -l " + row.limit + " && exec " + row.as + `"$0" "$@"`, kit.Tool(program),
				"-listen", "IP:127.0.0.1:0", "-lock", "-sessions", "1000"}, row.args...)
			process := kit.Start(t, "/bin/sh", args...)
			code := process.Exit(patience)
			if strings.Contains(process.Stderr(), "setting limit") {
				t.Skip("this root may not raise limits")
			}
			if code != row.code {
				t.Errorf("got exit code %d, want %d; stderr:\n%s", code, row.code, process.Stderr())
			}
			text, want := process.Stdout(), `  locked 80 MiB of address space for records \(-lock\)`
			if row.code != 0 {
				text, want = process.Stderr(), `-lock: cannot lock memory: 80 MiB are needed, and RLIMIT_MEMLOCK is 1024 KiB: .*raise it`
			}
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("got %q, want %q", text, want)
			}
		})
	}
}
