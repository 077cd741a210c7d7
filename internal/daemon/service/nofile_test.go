package service

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// playLimit sets the limit to args[0] (soft) and args[1] (hard), asks for args[2] and prints the answer and the limits.
func playLimit(args []string) int {
	var n [3]uint64
	for i, text := range args {
		n[i], _ = strconv.ParseUint(text, 10, 64)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n[0], Max: n[1]}); err != nil {
		return 9
	}
	if os.Geteuid() == 0 && os.Getenv("DROP") != "" {
		syscall.Setuid(65534)
	}
	want, _ := strconv.Atoi(args[2])
	got, err := RaiseNofile(want)
	var now syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now)
	fmt.Println(got, err, now.Cur, now.Max)
	return 0
}

func TestRaiseNofile(t *testing.T) {
	needRoot(t)
	top := openMax()
	beyond := strconv.FormatUint(top+1, 10)
	rows := []struct {
		name             string
		root, raised     bool // raised: the hard limit
		soft, hard, want string
		line             string
	}{
		{"enough", true, false, "512", "1024", "256", "512 <nil> 512 1024"},
		{"exactly enough", true, false, "512", "1024", "512", "512 <nil> 512 1024"},
		{"up to the hard limit", false, false, "512", "1024", "1024", "1024 <nil> 1024 1024"},
		{"below the hard limit", false, false, "512", "1024", "700", "700 <nil> 700 1024"},
		{"hard limit stands", false, false, "512", "1024", "2000", "1024 <nil> 1024 1024"},
		{"root raises the hard limit", true, true, "512", "1024", "2000", "2000 <nil> 2000 2000"},
		{"system limit stands", true, true, "512", "1024", beyond, fmt.Sprintf("%d <nil> %d %d", top, top, top)},
		{"nothing wanted", true, false, "512", "1024", "0", "512 <nil> 512 1024"},
		{"less than nothing wanted", true, false, "512", "1024", "-1", "512 <nil> 512 1024"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.raised && !hasResourceCapability(t) {
				t.Skip("root may not raise hard limits here (CAP_SYS_RESOURCE)")
			}
			p := startRole(t, "limit", func(cmd *exec.Cmd) {
				if !row.root {
					cmd.Env = append(cmd.Env, "DROP=1")
				}
			}, row.soft, row.hard, row.want)
			p.expect(t, row.line)
		})
	}
}

// hasResourceCapability tells whether this process may raise hard limits.
func hasResourceCapability(t *testing.T) bool {
	t.Helper()
	status, err := readStatus("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	effective, err := strconv.ParseUint(status["CapEff"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}
