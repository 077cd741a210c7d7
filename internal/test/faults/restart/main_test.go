package restart

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

// nowhere is an address on which nothing ever listens.
const nowhere = "UNIX:/nowhere/dc_server"

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server", "dc_test"}, Parallel: 12}.Run(m)
}

func ready(p *kit.Process) *kit.Process {
	p.WaitStderr(patience, " ready ")
	return p
}

// atFull is a number at full size, and another beside other tests.
func atFull(full, less int) int {
	if kit.Full() {
		return full
	}
	return less
}

// mustEnd ends it in the orderly way.
func mustEnd(t *testing.T, p *kit.Process) {
	t.Helper()
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0; stderr:\n%s", code, p.Stderr())
	}
}

// mustKeep holds that a session can be added there and comes back.
func mustKeep(t *testing.T, at kit.Endpoint, id string) {
	t.Helper()
	c := kit.Dial(t, at)
	defer func() { _ = c.Close() }()
	c.ExpectStatus(kit.Add(1, id, "data of "+id, time.Hour), codec.StatusOK)
	mustHave(t, at, id)
}

// mustHave holds that a session of mustKeep is there.
func mustHave(t *testing.T, at kit.Endpoint, id string) {
	t.Helper()
	c := kit.Dial(t, at)
	defer func() { _ = c.Close() }()
	if got := string(c.Answer(kit.Get(2, id))); got != "data of "+id {
		t.Errorf("got %q for session %s, want what was added", got, id)
	}
}

// inode is the number of the file at the path, 0 where there is none.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return inodeOf(info)
}

// ask connects, asks and leaves. The answer must be one status byte.
func ask(at kit.Endpoint, request []byte) (codec.Status, error) {
	conn, err := kit.Connect(at)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	m, err := conn.Do(request)
	if err != nil {
		return 0, err
	}
	return codec.ParseStatus(m)
}

// mustName holds that the text has each of the words.
func mustName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to name %q", text, word)
		}
	}
}

// mustNotName holds that the text has none of the words.
func mustNotName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("got %q, want it not to name %q", text, word)
		}
	}
}

// contains reports whether the text has one of the words.
func contains(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func inodeOf(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }
