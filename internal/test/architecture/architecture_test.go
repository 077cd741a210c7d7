package architecture

import (
	"slices"
	"strings"
	"testing"
)

// faults tells what is wrong with f.
func faults(f file) []string {
	var found []string
	for _, r := range rules {
		if f.test && !r.tests || !r.files(f) {
			continue
		}
		for _, imported := range f.imports {
			if r.forbid(imported) {
				found = append(found, f.path+" imports "+imported+": "+r.name)
			}
		}
	}
	for _, imported := range f.imports {
		if runsUp(f, imported) {
			found = append(found, f.path+" imports "+imported+": imports run one way, see layers")
		}
	}
	if f.clock && !mayAskTheTime(f) {
		found = append(found, f.path+" reads a clock, as time.Now does: let the time come in as an argument, as the loop tells it")
	}
	if f.settable && !mayReadSettable(f) {
		found = append(found, f.path+" reads a clock that can be set or that counts a machine's sleep: time.Since, and the loop's Now, do not")
	}
	return found
}

func mayAskTheTime(f file) bool {
	for _, c := range clocks {
		if f.path == c.path || f.in(c.path) {
			return true
		}
	}
	return f.test
}

// mayReadSettable: nothing that a daemon runs may, whether it may call time.Now or not, but what tells
// the time to memcached's absolute expiries.
func mayReadSettable(f file) bool {
	return f.test || f.path == "cmd/dc_client/fronts.go" || f.in("internal/test/kit") || f.in("cmd/dc_snoop") || f.in("bench")
}

func TestModule(t *testing.T) {
	files := readModule(t)
	if len(files) < 50 {
		t.Fatalf("got %d files, want those of the whole module", len(files))
	}
	t.Run("keeps the rules", func(t *testing.T) {
		for _, f := range files {
			for _, fault := range faults(f) {
				t.Error(fault)
			}
		}
	})
	t.Run("needs the exceptions", func(t *testing.T) { wantExceptionsNeeded(t, files) })
}

// wantExceptionsNeeded: an exception that nobody needs any more is a hole.
func wantExceptionsNeeded(t *testing.T, files []file) {
	for _, c := range clocks {
		needed := slices.ContainsFunc(files, func(f file) bool { return f.clock && (f.path == c.path || f.in(c.path)) })
		if !needed {
			t.Errorf("%s may call time.Now and does not: take it out of the list", c.path)
		}
	}
	if !slices.ContainsFunc(files, func(f file) bool {
		return f.in("engine/poll") && !f.test && slices.Contains(f.imports, gnet+"/pkg/netpoll")
	}) {
		t.Error("engine/poll does not import gnet's poller: the rule looks for the wrong path")
	}
}

// TestRulesCatch breaks each rule, and shows what does not.
func TestRulesCatch(t *testing.T) {
	rows := []struct {
		path, source string
		want         string // part of the fault; "" where there is none
	}{
		{"engine/x.go", `import _ "github.com/panjf2000/gnet/v2"`, "only door"},
		{"engine/x_test.go", `import _ "github.com/panjf2000/gnet/v2/pkg/queue"`, "only door"},
		{"internal/poller/x.go", `import _ "github.com/panjf2000/gnet/v2/pkg/netpoll"`, "only door"},
		{"engine/poll/x.go", `import _ "github.com/panjf2000/gnet/v2/pkg/netpoll"`, ""},
		{"bench/peers/gnetrun/x.go", `import _ "github.com/panjf2000/gnet/v2"`, ""},
		{"engine/poll/gnetenv/x.go", `import _ "github.com/panjf2000/gnet/v2"`, "only door"},
		{"codec/x.go", `import _ "golang.org/x/sys/unix"`, "codec stands alone"},
		{"codec/x_test.go", `import _ "distcache/internal/test/kit"`, "codec stands alone"},
		{"codec/x.go", `import _ "encoding/binary"`, ""},
		{"client/x.go", `import _ "distcache/engine/socket"`, "for applications"},
		{"client/x.go", `import _ "distcache/codec/address"`, ""},
		{"client/x.go", `import ("net"; "distcache/codec")`, ""},
		{"client/tlscache/x.go", `import _ "distcache/client"`, ""},
		{"engine/x.go", `import _ "distcache/upstream"`, "does not know upstream"},
		{"upstream/x.go", `import _ "distcache/engine"`, "not the engine"},
		{"upstream/x.go", `import _ "distcache/engine/deadline"`, ""},
		{"upstream/x_test.go", `import _ "distcache/engine"`, ""},
		{"upstream/conn/x.go", `import _ "distcache/engine"`, "not the engine"},
		{"upstream/x.go", `import _ "distcache/engine/poll"`, "pure state machine"},
		{"upstream/x.go", `import _ "distcache/engine/socket"`, "pure state machine"},
		{"upstream/x.go", `import _ "distcache/upstream/conn"`, "pure state machine"},
		{"upstream/x.go", `import _ "net/netip"`, "pure state machine"},
		{"upstream/x.go", `import _ "golang.org/x/sys/unix"`, "pure state machine"},
		{"upstream/conn/x.go", `import ("net"; "golang.org/x/sys/unix"; "distcache/engine/poll")`, ""},
		{"engine/x.go", `import _ "distcache/internal/front"`, "carry bytes"},
		{"upstream/x.go", `import _ "distcache/internal/agent"`, "carry bytes"},
		{"engine/buffer/x.go", `import _ "distcache/engine"`, "tools of the loop"},
		{"engine/secure/x.go", `import _ "distcache/engine/poll"`, "no poller"},
		{"internal/agent/x.go", `import _ "log/slog"`, "a simulation drives them"},
		{"internal/front/x.go", `import _ "golang.org/x/sys/unix"`, "a simulation drives them"},
		{"internal/front/x_test.go", `import _ "os"`, ""},
		{"internal/server/x.go", `import _ "netting"`, ""},
		{"bench/load/x.go", `import _ "distcache/engine"`, "judges from outside"},
		{"bench/load/x.go", `import ("distcache/codec"; "distcache/codec/address"; "github.com/HdrHistogram/hdrhistogram-go")`, ""},
		{"internal/agent/x.go", `import _ "distcache/cmd/dc_client"`, "end of the line"},
		{"cmd/dc_test/x_test.go", `import _ "distcache/cmd/dc_client"`, "end of the line"},
		{"engine/x.go", `import _ "distcache/internal/test/kit"`, "kit is for tests"},
		{"engine/x_test.go", `import _ "distcache/internal/test/kit"`, ""},
		{"engine/client.go", `import "time"; var t = time.Now()`, "time.Now"},
		{"engine/client.go", `import "time"; var now = time.Now`, "time.Now"},
		{"engine/client.go", `import clock "time"; var t = clock.Now()`, "time.Now"},
		{"engine/client.go", `import . "time"; var t = Now()`, "time.Now"},
		{"engine/client.go", `import "golang.org/x/sys/unix"; var _ = unix.Gettimeofday`, "time.Now"},
		{"engine/poll/handlers.go", `import "golang.org/x/sys/unix"; var c = unix.CLOCK_REALTIME`, "time.Now"},
		{"engine/poll/handlers.go", `import "golang.org/x/sys/unix"; var c = unix.CLOCK_BOOTTIME`, "time.Now"},
		{"engine/poll/handlers.go", `import "golang.org/x/sys/unix"; var c = unix.CLOCK_MONOTONIC`, ""},
		{"engine/client.go", `import "golang.org/x/sys/unix"; var _ = unix.ClockGettime(unix.CLOCK_MONOTONIC, nil)`, "time.Now"},
		{"internal/daemon/service/notify.go", `import "golang.org/x/sys/unix"; var _ = unix.ClockGettime(unix.CLOCK_MONOTONIC, nil)`, ""},
		{"internal/daemon/service/notify.go", `import "golang.org/x/sys/unix"; var _ = unix.ClockGettime(7, nil)`, "can be set"},
		{"engine/client.go", `import "time"; var t = time.Second; var _ = x.Now()`, ""},
		{"engine/loop.go", `import "time"; var t = time.Now()`, ""},
		{"engine/loop.go", `import "time"; var t = time.Now().UnixNano()`, "can be set"},
		{"engine/loop.go", `import "golang.org/x/sys/unix"; var c = unix.CLOCK_BOOTTIME`, "counts a machine's sleep"},
		{"engine/client.go", `var t = a.Unix()`, "can be set"},
		{"internal/daemon/listen/x.go", `var t = kit.Unix(t) == address.Unix`, ""},
		{"engine/client_test.go", `import "time"; var t = time.Now()`, ""},
		{"cmd/dc_test/main.go", `import "time"; var t = time.Now()`, ""},
	}
	for _, row := range rows {
		t.Run(row.path+" "+row.source, func(t *testing.T) {
			f, err := parse(row.path, []byte("package x; "+row.source))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(faults(f), "; ")
			if (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
