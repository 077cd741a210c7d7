package service

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// threadsAtLeast is how many threads a part has when it drops its privileges.
const threadsAtLeast = 8

// stranger is a user with groups of its own, so that the tests need no account.
var stranger = User{Name: "stranger", UID: 12345, GID: 23456, Groups: []int{23456, 30001, 30002}}

// dropResult is the state of a part after it dropped its privileges.
type dropResult struct {
	Warnings []string
	Error    string
	Root     string // how becoming root again went
	Secret   string // how reading root's file went
}

// playDrop drops to stranger with many threads running. args[0] is a file that only root can read, args[1], if there is
// one, another root.
func playDrop(args []string) int {
	startThreads()
	if len(args) > 1 {
		syscall.Chroot(args[1])
	}
	var r dropResult
	var err error
	r.Warnings, err = stranger.Drop()
	r.Error = fmt.Sprint(err)
	r.Root = fmt.Sprint(syscall.Setuid(0))
	_, err = os.Open(args[0])
	r.Secret = fmt.Sprint(errors.Is(err, os.ErrPermission))
	startThreads() // whose credentials are inherited from whichever thread starts them
	json.NewEncoder(os.Stdout).Encode(r)
	bufio.NewReader(os.Stdin).ReadString('\n')
	return 0
}

// startThreads starts threads that stay.
func startThreads() {
	ready := make(chan bool)
	for range threadsAtLeast {
		go func() {
			runtime.LockOSThread()
			ready <- true
			select {}
		}()
	}
	for range threadsAtLeast {
		<-ready
	}
}

func TestDrop(t *testing.T) {
	needRoot(t)
	secret := filepath.Join(openDirectory(t), "secret")
	write(t, secret, "of root")
	os.Chmod(filepath.Dir(secret), 0o755)
	rows := []struct {
		name      string
		configure func(*exec.Cmd)
	}{
		{"plain", nil},
		{"groups of root", func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{0, 4, 27}}}
		}},
		{"inherited capabilities", func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_CHOWN}}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p := startRole(t, "drop", row.configure, secret)
			var r dropResult
			if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
				t.Fatal(err)
			}
			if r.Error != "<nil>" || r.Root != unix.EPERM.Error() || r.Secret != "true" {
				t.Errorf("got %+v, want no error, no way back to root nor to its files", r)
			}
			checkStatus(t, p.pid(), len(r.Warnings) > 0)
			if len(r.Warnings) > 0 && r.Warnings[0] != cgoWarning {
				t.Errorf("warnings: got %q, want none or that of cgo", r.Warnings)
			}
		})
	}
}

// checkStatus reads the credentials of each thread of process pid. With cgo not all of them are dropped.
func checkStatus(t *testing.T, pid int, cgo bool) {
	t.Helper()
	want := map[string]string{
		"Uid":    "12345\t12345\t12345\t12345",
		"Gid":    "23456\t23456\t23456\t23456",
		"Groups": "23456 30001 30002",
		"CapEff": "0000000000000000",
		"CapPrm": "0000000000000000",
		"CapAmb": "0000000000000000",
	}
	if cgo {
		t.Log("this test binary was built with cgo: no_new_privs and CapInh are not looked at")
	} else {
		want["CapInh"] = "0000000000000000"
		want["NoNewPrivs"] = "1"
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2*threadsAtLeast {
		t.Fatalf("threads: got %d, %v, want at least %d", len(threads), err, 2*threadsAtLeast)
	}
	for _, thread := range threads {
		got, err := readStatus(thread)
		if err != nil {
			t.Fatal(err)
		}
		for field, value := range want {
			if got[field] != value {
				t.Errorf("%s: %s: got %q, want %q", thread, field, got[field], value)
			}
		}
	}
}

func TestDropNeedsRoot(t *testing.T) {
	needRoot(t)
	p := startRole(t, "drop", asNobody, os.DevNull)
	var r dropResult
	if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Error != ErrNeedRoot.Error() {
		t.Errorf("got %s, want %v", r.Error, ErrNeedRoot)
	}
}

// TestDropWithoutProc drops where nothing can be read back.
func TestDropWithoutProc(t *testing.T) {
	needRoot(t)
	p := startRole(t, "drop", nil, "/none", t.TempDir())
	var r dropResult
	if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Error != "<nil>" || len(r.Warnings) == 0 || !strings.Contains(r.Warnings[len(r.Warnings)-1], "/proc is not mounted") {
		t.Errorf("got %q and warnings %q, want no error and a warning that names /proc", r.Error, r.Warnings)
	}
	checkStatus(t, p.pid(), len(r.Warnings) > 1)
}

// playPartial drops all privileges but the one that args[0] names, and prints the result of the checks.
func playPartial(args []string) int {
	left := args[0]
	uid, gid := stranger.UID, stranger.GID
	savedUID, savedGID := uid, gid
	switch left {
	case "gid":
		gid, savedGID = 0, 0
	case "saved gid":
		savedGID = 0
	case "saved uid":
		savedUID = 0
	case "capabilities":
		onAllThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)
	}
	if left != "groups" {
		syscall.Setgroups(stranger.Groups)
	}
	syscall.Setresgid(gid, gid, savedGID)
	syscall.Setresuid(uid, uid, savedUID)
	if left != "inheritable" && left != "capabilities" {
		clearCapabilities()
	}
	if left != "no_new_privs" {
		forbidNewPrivileges()
	}
	fmt.Println(stranger.checkThreads(!usesCgo()))
	fmt.Println(stranger.tryBack())
	return 0
}

// TestChecksFind leaves one thing at a time; the checks of Drop must find it.
func TestChecksFind(t *testing.T) {
	needRoot(t)
	const nothing = "<nil>"
	var (
		threads = func(field string) string { return ErrPrivileged.Error() + ": " + field + " of thread " }
		back    = func(what string) string { return ErrPrivileged.Error() + ": the " + what + " can be set" }
	)
	rows := []struct {
		left, threads, back string
		perThread           bool // beyond a binary with cgo
	}{
		{"nothing", nothing, nothing, false},
		{"groups", threads("Groups"), nothing, false},
		{"gid", threads("Gid"), back("group ID"), false},
		{"saved gid", threads("Gid"), back("group ID"), false},
		{"saved uid", threads("Uid"), back("user ID"), false},
		{"capabilities", threads("CapPrm"), nothing, true},
		{"inheritable", threads("CapInh"), nothing, true},
		{"no_new_privs", threads("NoNewPrivs"), nothing, true},
	}
	for _, row := range rows {
		t.Run(row.left, func(t *testing.T) {
			if row.perThread && usesCgo() {
				t.Skip("a binary with cgo cannot set this for all threads, so it is not looked at")
			}
			p := startRole(t, "partial", func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_CHOWN}}
			}, row.left)
			if got := p.line(t); !strings.HasPrefix(got, row.threads) {
				t.Errorf("threads: got %s, want %s", got, row.threads)
			}
			if got := p.line(t); !strings.HasPrefix(got, row.back) {
				t.Errorf("way back: got %s, want %s", got, row.back)
			}
		})
	}
}

// usesCgo tells whether this binary has cgo: then it cannot set credentials for all threads.
func usesCgo() bool {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0)
	return errno == syscall.ENOTSUP
}
