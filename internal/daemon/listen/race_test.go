package listen

import (
	"bufio"
	"distcache/internal/test/kit"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// enoughTries is how often an attacker must have met a socket that is being opened for the attack to count.
const enoughTries = 100

// hammer is an attacker that connects again and again, to catch the instant in which a socket is too open. It says
// "ready" at the start, "in" when it first gets in, "enough" when it has met a closed socket often, and at the end how its
// attempts ended.
func hammer() {
	path := os.Getenv(pathVariable)
	ended := inputEnds()
	fmt.Println("ready")
	var in, denied, refused, absent int
	for {
		select {
		case <-ended:
			fmt.Println(in, denied, refused, absent)
			return
		default:
		}
		switch fd, err := dial(path); {
		case err == nil:
			_ = unix.Close(fd)
			if in == 0 {
				fmt.Println("in")
			}
			in++
		case errors.Is(err, unix.EACCES):
			denied++
			if denied == enoughTries {
				fmt.Println("enough")
			}
		case errors.Is(err, unix.ECONNREFUSED):
			refused++
		case errors.Is(err, unix.ENOENT):
			absent++
		}
	}
}

// TestNeverTooOpen is RELIABILITY.md O13. A connect that is refused counts too: then the mode let the attacker in, and only
// listen was missing.
func TestNeverTooOpen(t *testing.T) {
	needRoot(t)
	const others = 12345
	tests := []struct {
		name     string
		opt      Options
		attacker *syscall.Credential
	}{
		{"owner only", Options{Perms: "600"}, asNobody(nobody)},
		{"given to another group", Options{Group: strconv.Itoa(others), Perms: "660"}, asNobody(0)},
		{"given to another owner", Options{Owner: strconv.Itoa(others), Perms: "600"}, asNobody(0)},
	}
	defer unix.Umask(unix.Umask(0))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.opt.Backlog = 16
			hammerStarts(t, test.opt, test.attacker)
		})
	}
}

func hammerStarts(t *testing.T, opt Options, attacker *syscall.Credential) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	h := startHelper(t, "hammer", attacker, nil, pathVariable+"="+path)
	if line := h.hear(); line != "ready" {
		t.Fatalf("got %q, want ready", line)
	}
	starts := startUnderFire(t, path, opt, h)
	line := h.finish()
	var in, denied, refused, absent int
	if _, err := fmt.Sscan(line, &in, &denied, &refused, &absent); err != nil {
		t.Fatalf("got %q: the attacker got in", line)
	}
	t.Logf("%d starts; connect got in %d times, denied %d, refused %d, nothing there %d", starts, in, denied, refused, absent)
	if in != 0 || refused != 0 {
		t.Errorf("got in %d times, refused %d times, want 0, 0", in, refused)
	}
}

// startUnderFire starts for a second, at least 300 times (60 times in the short form), and until the hammer has tried enough.
func startUnderFire(t *testing.T, path string, opt Options, h *helper) (starts int) {
	t.Helper()
	least, begin, enough := kit.Sized(60, 300), time.Now(), false
	for starts < least || !enough || kit.Full() && time.Since(begin) < time.Second {
		s, err := Open(unixAddress(path), opt)
		check(t, err)
		check(t, s.Close())
		starts++
		select {
		case line := <-h.lines:
			if line != "enough" {
				t.Fatalf("got %q: the attacker got in", line)
			}
			enough = true
		default:
		}
		if time.Since(begin) > patience {
			t.Fatalf("in %d starts the attacker never met the socket: the attack was none", starts)
		}
	}
	return starts
}

// TestHammerFindsAnOpening shows that the attack of TestNeverTooOpen succeeds on a socket that gets its mode too late.
func TestHammerFindsAnOpening(t *testing.T) {
	needRoot(t)
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	h := startHelper(t, "hammer", asNobody(nobody), nil, pathVariable+"="+path)
	h.hear()
	rawSocket(t, path, unix.SOCK_STREAM, 16)
	if line := h.hear(); line != "in" {
		t.Errorf("got %q, want in", line)
	}
	check(t, os.Chmod(path, 0o600))
}

// racer is an attacker that owns the directory, and swaps the socket for a link to a file of another user.
func racer() {
	path, target := os.Getenv(pathVariable), os.Getenv(targetVariable)
	ended := inputEnds()
	fmt.Println("ready")
	for rounds := 0; ; rounds++ {
		select {
		case <-ended:
			fmt.Println(rounds)
			return
		default:
		}
		if rounds%2 == 0 {
			_ = os.Rename(path, path+".away")
		}
		_ = os.Remove(path)
		_ = os.Symlink(target, path)
		_ = os.Remove(path)
	}
}

// TestLinkSwap is RELIABILITY.md O14: neither a file nor a socket that the link points to gets our owner or mode.
func TestLinkSwap(t *testing.T) {
	needRoot(t)
	for _, kind := range []string{"file", "socket"} {
		t.Run(kind, func(t *testing.T) {
			safe, dir := tempDirectory(t, 0o755), tempDirectory(t, 0o777)
			check(t, os.Chown(dir, nobody, nobody))
			target := filepath.Join(safe, kind)
			if kind == "file" {
				check(t, os.WriteFile(target, []byte("secret"), 0o600))
			} else {
				rawSocket(t, target, unix.SOCK_STREAM, 16)
				check(t, os.Chmod(target, 0o600))
			}
			before := snapshot(t, safe)
			path := filepath.Join(dir, "s")
			h := startHelper(t, "racer", asNobody(nobody), nil, pathVariable+"="+path, targetVariable+"="+target)
			h.hear()
			good, bad := raceStarts(path)
			t.Logf("%d starts succeeded, %d failed; %s swaps", good, bad, h.finish())
			if after := snapshot(t, safe); after != before {
				t.Errorf("the target: got\n%s\nwant it as before:\n%s", after, before)
			}
			if st := lstat(t, target); st.Uid != 0 || st.Gid != 0 {
				t.Errorf("the target's owner: got %d:%d, want 0:0", st.Uid, st.Gid)
			}
			if bad < enoughTries {
				t.Errorf("got %d starts that failed, want %d at least: the attack was none", bad, enoughTries)
			}
		})
	}
}

// raceStarts starts for two seconds, at least 500 times (100 times in the short form), and until the racer has got in the way often enough.
func raceStarts(path string) (good, bad int) {
	least, begin := kit.Sized(100, 500), time.Now()
	for good+bad < least || bad < enoughTries || kit.Full() && time.Since(begin) < 2*time.Second {
		if time.Since(begin) > patience {
			break
		}
		s, err := Open(unixAddress(path), Options{Owner: "nobody", Group: "65534", Perms: "666", Backlog: 16})
		if err != nil {
			bad++
			continue
		}
		good++
		_ = s.Close()
	}
	return good, bad
}

// TestSwapFindsAName shows that the attack of TestLinkSwap succeeds on a chmod by name.
func TestSwapFindsAName(t *testing.T) {
	needRoot(t)
	safe, dir := tempDirectory(t, 0o755), tempDirectory(t, 0o777)
	check(t, os.Chown(dir, nobody, nobody))
	path, target := filepath.Join(dir, "s"), filepath.Join(safe, "file")
	check(t, os.WriteFile(target, nil, 0o600))
	h := startHelper(t, "racer", asNobody(nobody), nil, pathVariable+"="+path, targetVariable+"="+target)
	h.hear()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		_ = os.Chmod(path, 0o666)
		if lstat(t, target).Mode&0o777 == 0o666 {
			return
		}
	}
	t.Errorf("the target's mode: got %o, want 666", lstat(t, target).Mode&0o777)
}

// starter opens each path that it is told, says whether that went well, and closes it at the next line.
func starter() {
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		s, err := Open(unixAddress(scanner.Text()), Options{Perms: "600", Backlog: 16})
		switch {
		case err == nil:
			fmt.Println("won")
		case errors.Is(err, ErrInUse):
			fmt.Println("in use")
		default:
			fmt.Println("error:", err)
		}
		if scanner.Scan() && s != nil {
			_ = s.Close()
		}
		fmt.Println("closed")
	}
}

// TestRacedStarts is RELIABILITY.md O18: of starts at once, on a dead socket or on nothing, one wins and serves.
func TestRacedStarts(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	var starters []*helper
	for range 3 {
		starters = append(starters, startHelper(t, "starter", nil, nil))
	}
	for round := range 120 {
		path := filepath.Join(dir, fmt.Sprint("s", round))
		if round%4 != 0 {
			staleSocket(t, path)
		}
		for _, h := range starters {
			h.say(path)
		}
		answers := map[string]int{}
		for _, h := range starters {
			answers[h.hear()]++
		}
		if answers["won"] != 1 || answers["in use"] != len(starters)-1 {
			t.Fatalf("round %d: got %v, want one that won, and the others told that the path is in use", round, answers)
		}
		checkAnswers(t, path)
		for _, h := range starters {
			h.say("close")
		}
		for _, h := range starters {
			h.hear()
		}
		checkAbsent(t, path)
	}
}

// dropper opens a socket as root, and closes it as nobody.
func dropper() {
	s, err := Open(unixAddress(os.Getenv(pathVariable)), Options{})
	if err == nil {
		err = syscall.Setresuid(nobody, nobody, nobody)
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(strings.ReplaceAll(fmt.Sprint(s.Close()), "\n", " "))
}

// prisoner works in an empty root directory.
func prisoner() {
	if err := unix.Chroot(os.Getenv(pathVariable)); err != nil {
		fmt.Println("error:", err)
		return
	}
	_ = os.Chdir("/")
	s, err := Open(unixAddress("/s"), Options{Owner: "12345", Perms: "660"})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	var st unix.Stat_t
	_ = unix.Lstat("/s", &st)
	fmt.Printf("open: %s mode %o uid %d\n", s.Addr(), st.Mode, st.Uid)
	fmt.Println("through /proc:", s.file.chmodThroughProc(0o666))
	fmt.Println("closed:", s.Close())
	_, err = Open(unixAddress("/s"), Options{Owner: "nobody"})
	fmt.Println("by name:", err)
}
