package network

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/internal/testkit"
)

// TestN09N10SystemCalls injects errors that mean nothing into the system calls of dc_client
// (strace -e inject), while it serves: no connection ends, no answer is wrong, and nothing is
// said of it. Writes are not interrupted here: of a descriptor that does not block
// Linux interrupts none, and gnet's poller, which wakes itself by one, relies on that.
func TestN09N10SystemCalls(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skipf("no strace: %v", err)
	}
	for _, row := range []struct{ name, inject string }{
		{"N09 nothing to read after all", "read:error=EAGAIN:when=20+3"},
		{"N09 no room to write after all", "write:error=EAGAIN:when=20+3"},
		{"N10 reads are interrupted", "read:error=EINTR:when=20+3"},
		{"N10 accepts are interrupted", "accept4:error=EINTR:when=1+2"},
		{"N10 waits are interrupted", "epoll_wait,epoll_pwait:error=EINTR:when=20+3"},
		{"N10 connects are interrupted", "connect:error=EINTR:when=1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			up := testkit.NewUpstream(t, testkit.Loopback())
			at := testkit.Unix(t)
			calls, _, _ := strings.Cut(row.inject, ":")
			trace := filepath.Join(t.TempDir(), "trace")
			// With -D the process is dc_client, and the tracer ends with it.
			process := testkit.Start(t, strace, "-D", "-f", "-qq", "-o", trace, "-e", "trace="+calls, "-e", "inject="+row.inject,
				testkit.Tool("dc_client"), "-listen", at.String(), "-server", up.Endpoint().String(), "-timeout=10000", millis("-retry", retry))
			process.WaitStderr(patience, "connected to dc_server")
			load := testkit.StartLoad(t, at, 10, time.Millisecond)
			testkit.Wait(t, patience, "requests", func() bool { return len(load.Since(time.Time{})) > 500 })
			for _, o := range load.Stop() {
				if !o.Served {
					t.Fatal("got DISCONNECTED, want every request served")
				}
			}
			for range 20 { // accepts
				testkit.Dial(t, at).Answer(testkit.Have(1, "nobody's"))
			}
			if text, err := os.ReadFile(trace); err != nil || !strings.Contains(string(text), "(INJECTED)") {
				t.Errorf("got nothing injected, %v, want some errors", err)
			}
			if calls != "connect" && up.Conns() != 1 {
				t.Errorf("got %d connections, want the first to have lasted", up.Conns())
			}
			if strings.Contains(process.Stderr(), "lost dc_server") || strings.Contains(process.Stderr(), "client closed") {
				t.Errorf("got a complaint, want none; stderr:\n%s", process.Stderr())
			}
		})
	}
}
