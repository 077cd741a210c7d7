package architecture

import "strings"

// module is the prefix of our own packages.
const module = "distcache/"

const gnet = "github.com/panjf2000/gnet/v2"

// rule is what files may not import.
type rule struct {
	name   string
	tests  bool // holds for test files too
	files  func(f file) bool
	forbid func(path string) bool
}

// rules of imports. Paths are import paths; ours without the module's name.
var rules = []rule{
	{
		"gnet's poller has traps: package poll is the only door to it", true,
		func(f file) bool {
			gnetenv := f.in("engine/poll/gnetenv") && !f.test // it must come before gnet, so it may not import it
			return gnetenv || !f.in("engine/poll") &&
				!f.in("bench/peers") // what we are compared with
		},
		func(path string) bool { return under(path, gnet) },
	},
	{
		"codec stands alone: anybody may read the wire with it", true,
		func(f file) bool { return f.in("codec") },
		func(path string) bool { return !standard(path) && path != module+"codec" },
	},
	{
		"client is for applications, which get no more than codec with it", false,
		func(f file) bool { return f.in("client") },
		func(path string) bool {
			return !standard(path) && !under(path, module+"codec") && path != module+"client"
		},
	},
	{
		"engine does not know upstream: internal/agent joins them", false,
		func(f file) bool { return f.in("engine") },
		func(path string) bool { return under(path, module+"upstream") },
	},
	{
		"upstream uses the tools of the engine, not the engine: internal/agent joins them", false,
		func(f file) bool { return f.in("upstream") },
		func(path string) bool { return path == module+"engine" },
	},
	{
		"upstream is a pure state machine: upstream/conn has its sockets", false,
		func(f file) bool { return f.in("upstream") && !f.in("upstream/conn") },
		func(path string) bool {
			if under(path, module+"engine") {
				return path != module+"engine/deadline" && path != module+"engine/histogram"
			}
			return impure(path) || under(path, module+"upstream/conn")
		},
	},
	{
		"engine and upstream carry bytes: what they mean is known above them", false,
		func(f file) bool { return f.in("engine") || f.in("upstream") },
		ours("internal/store", "internal/daemon", "internal/front", "internal/agent", "internal/server"),
	},
	{
		"the tools of the loop know nothing of what it is for", false,
		func(f file) bool {
			return f.in("engine/poll") || f.in("engine/socket") || f.in("engine/deadline") || f.in("engine/buffer") || f.in("engine/histogram") || f.in("engine/secure")
		},
		func(path string) bool {
			return path == module+"engine" || under(path, module+"upstream") || under(path, module+"internal")
		},
	},
	{
		"TLS runs on any loop: it has no poller", false,
		func(f file) bool { return f.in("engine/secure") },
		ours("engine/poll"),
	},
	{
		"state machines have no socket, clock, lock or log: a simulation drives them", false,
		func(f file) bool { return f.in("internal/front") || f.in("internal/agent") || f.in("internal/server") },
		impure,
	},
	{
		"the load harness judges from outside: it shares the wire and addresses with what it judges", false,
		func(f file) bool { return f.in("bench/load") },
		func(path string) bool {
			return under(path, strings.TrimSuffix(module, "/")) && path != module+"codec" && path != module+"codec/address" &&
				path != module+"bench/load/plan"
		},
	},
	{
		"commands are the end of the line", true,
		func(file) bool { return true },
		func(path string) bool { return under(path, module+"cmd") },
	},
	{
		"kit is for tests", false,
		func(f file) bool { return !f.in("internal/test/kit") },
		ours("internal/test/kit"),
	},
}

// clocks are the files that may ask for the time of day, beside tests, commands and
// benchmarks. Elsewhere the time comes in as an argument.
var clocks = []struct{ path, reason string }{
	{"engine/loop.go", "the loop's epoch: all other times are monotonic ones since then"},
	{"internal/daemon/logging", "log lines tell the time of day"},
	{"internal/daemon/metrics", "a scrape runs beside the loop, and is bounded in time"},
	{"internal/daemon/listen/namelock.go", "a start may wait for another one that has locked the directory, before there is a loop"},
	{"internal/daemon/handover.go", "the next process asks beside the loop, and in time; it waits for the process before, and not for ever"},
	{"engine/poll/waiter.go", "how long the loop slept tells how it sleeps next"},
	{"internal/daemon/service/notify.go", "systemd wants to know when a reload began, by the kernel's monotonic clock"},
	{"internal/test/kit", "test support"},
	{"cmd", ""},
	{"bench", ""},
}

// impure forbids what a state machine does without.
func impure(path string) bool {
	for _, p := range []string{"context", "log", "net", "os", "sync", "syscall", "golang.org/x/sys"} {
		if under(path, p) {
			return true
		}
	}
	return false
}

// ours forbids packages of the module and what is under them.
func ours(packages ...string) func(path string) bool {
	return func(path string) bool {
		for _, p := range packages {
			if under(path, module+p) {
				return true
			}
		}
		return false
	}
}

// under reports whether path is parent or inside it.
func under(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

// standard reports whether path is of the standard library: its first element has no dot,
// and is not ours.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != strings.TrimSuffix(module, "/")
}
