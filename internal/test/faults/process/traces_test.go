package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestO26NoTraceOfASession takes sessions through both daemons, in every operation and by
// clients of many kinds. When they have been removed, or have expired or been evicted, no
// byte of them is left in the memory of either process: root looks. Nor is any in what the
// daemons wrote, and in what /proc tells everybody.
func TestO26NoTraceOfASession(t *testing.T) {
	t.Parallel()
	needRoot(t)
	canary := fmt.Sprintf("canary-%016x", kit.Random(t).Uint64())
	// A signal saves the vector registers, with up to 256 bytes that were just copied, on its stack
	// (docs/SECURITY.md): without preemption by signals, none comes.
	rig := kit.NewRig(t).Within(func(c kit.Command) kit.Command {
		c.Env = append(c.Env, "GODEBUG=asyncpreemptoff=1")
		return c
	})
	server, serverAt := rig.Server("-sessions", "64", "-progress", "10")
	agent, at := rig.Client(serverAt)
	both := []*kit.Process{server, agent}
	for _, row := range []struct {
		name   string
		happen func(t *testing.T, c *kit.Client)
	}{
		{"asked for and removed", func(_ *testing.T, c *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, canary, time.Hour), codec.StatusOK)
			mustHold(t, server, canary)
			c.ExpectStatus(kit.Have(2, canary), codec.StatusOK)
			c.Answer(kit.Get(3, canary))
			c.ExpectStatus(kit.Add(4, canary, canary, time.Hour), codec.StatusAddExists)
			c.ExpectStatus(kit.Remove(5, canary), codec.StatusOK)
			c.ExpectStatus(kit.Get(6, canary), codec.StatusNotOK)
		}},
		{"large", func(_ *testing.T, c *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, strings.Repeat(canary, 1000), time.Hour), codec.StatusOK)
			c.Answer(kit.Get(2, canary))
			c.ExpectStatus(kit.Remove(3, canary), codec.StatusOK)
		}},
		{"expired", func(_ *testing.T, c *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, canary, 50*time.Millisecond), codec.StatusOK)
		}},
		{"evicted", func(_ *testing.T, c *kit.Client) {
			for n := range 64 {
				c.ExpectStatus(kit.Add(1, fmt.Sprint(canary, n), canary, time.Minute), codec.StatusOK)
			}
			for n := range 64 {
				c.ExpectStatus(kit.Add(1, fmt.Sprint("other", n), "nothing", time.Hour), codec.StatusOK)
			}
		}},
		{"byte by byte", func(t *testing.T, c *kit.Client) {
			for _, b := range slices.Concat(kit.Add(1, canary, canary, time.Hour), kit.Remove(2, canary)) {
				c.Send([]byte{b})
			}
			for range 2 {
				if m, err := c.ReadMessage(); err != nil || m.PayloadLen != 1 {
					t.Errorf("got %v, %v, want a status", m, err)
				}
			}
		}},
		{"half a request", func(_ *testing.T, c *kit.Client) {
			request := kit.Add(1, canary, strings.Repeat(canary, 500), time.Hour)
			c.Send(request[:len(request)/2])
		}},
		{"no request", func(_ *testing.T, c *kit.Client) {
			c.Send(slices.Concat(kit.Have(1, canary), []byte(strings.Repeat(canary, 10))))
			_, _ = c.ReadAll()
		}},
		{"answers that are not read", func(_ *testing.T, c *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, strings.Repeat(canary, 1000), time.Hour), codec.StatusOK)
			for range 50 {
				c.Send(kit.Get(2, canary))
			}
			kit.Dial(t, at).ExpectStatus(kit.Remove(3, canary), codec.StatusOK)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := kit.Dial(t, at)
			c.SetPatience(patience)
			row.happen(t, c)
			_ = c.Close()
			for _, process := range both {
				kit.Wait(t, patience, "memory without the session", func() bool { return !holds(t, process, canary) })
			}
		})
	}
	agent.Signal(syscall.SIGHUP)
	server.Signal(syscall.SIGHUP)
	for _, process := range both {
		mustTellNothing(t, process, canary)
	}
}

// mustHold holds that the look into the memory finds a session that is there.
func mustHold(t *testing.T, process *kit.Process, canary string) {
	t.Helper()
	if !holds(t, process, canary) {
		t.Fatal("got no session in the memory of dc_server, want the one that it stores: this test looks in the wrong place")
	}
}

// holds reports whether the memory of the process has the text. Pages that it has never
// touched are not looked at: most of what Go reserves.
func holds(t *testing.T, process *kit.Process, text string) bool {
	t.Helper()
	directory := fmt.Sprintf("/proc/%d/", process.PID())
	maps, err := os.ReadFile(directory + "maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(directory + "mem")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	pages, err := os.Open(directory + "pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pages.Close() }()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || mode[:2] != "rw" {
			continue
		}
		for from, to := range touched(pages, from, to) {
			b := make([]byte, to-from)
			n, _ := memory.ReadAt(b, from) // what is gone by now holds nothing
			if bytes.Contains(b[:n], []byte(text)) {
				return true
			}
		}
	}
	return false
}

// touched gives the runs of pages from one address to another that are in memory or swapped out:
// bits 63 and 62 of an entry of pagemap.
func touched(pages io.ReaderAt, from, to int64) iter.Seq2[int64, int64] {
	return func(yield func(from, to int64) bool) {
		size := int64(os.Getpagesize())
		entries := make([]byte, (to-from)/size*8)
		n, _ := pages.ReadAt(entries, from/size*8) // of what is gone by now there is less
		in := func(page int64) bool {
			return page*8+8 <= int64(n) && binary.NativeEndian.Uint64(entries[page*8:])>>62 != 0
		}
		for first := int64(0); first*8 < int64(n); first++ {
			last := first
			for in(last) {
				last++
			}
			if last > first && !yield(from+first*size, from+last*size) {
				return
			}
			first = last
		}
	}
}

// mustTellNothing ends the process in a way that shows its stacks, and looks for the text
// in all that it has ever told.
func mustTellNothing(t *testing.T, process *kit.Process, text string) {
	t.Helper()
	told := map[string]string{}
	for _, name := range []string{"environ", "cmdline", "comm", "status", "stat", "maps", "limits", "wchan"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", process.PID(), name))
		if err != nil {
			t.Error(err)
		}
		told["/proc/PID/"+name] = string(b)
	}
	process.Signal(syscall.SIGABRT)
	process.Exit(patience)
	told["stderr"], told["stdout"] = process.Stderr(), process.Stdout()
	for where, all := range told {
		if strings.Contains(all, text) || strings.Contains(all, fmt.Sprintf("%x", text)) {
			t.Errorf("got a session in %s, want none:\n%s", where, all)
		}
	}
}
